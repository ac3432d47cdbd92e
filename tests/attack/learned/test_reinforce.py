import json
import math

import pytest
import torch

from sparring.attack.learned.a2c import ActorCritic
from sparring.attack.learned.reinforce import Reinforce
from sparring.attack.learned.supervised import Supervised
from sparring.core.errors import InvalidSpec
from sparring.core.fit import Step
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.language.threat import Prompts
from tests.attack.learned.material import Echo, Marked, asking

FAST = Schedule(batch=8, optimiser="adamw", peak=1e-2, shape="constant", warmup=0.0, weight_decay=0.0, clip=1.0)


def small(**settings):
    start = Supervised(zero_shot=8, fewest=4)
    return Reinforce(asking(), harms=Marked(), start=start, steps=3, schedule=FAST, tokens=12, **settings)


class Fixed(ActorCritic):
    """Always draws the same texts."""

    texts = ("why canary one?", "why zzz two?", "no question", "")

    def _drawn(self, step, prompts):
        return list(self.texts)

    def _valid(self, texts):
        return [0, 1]


def fixed(tmp_path, **settings):
    attack = small(**settings)
    held = {}

    class Held(type(attack)):
        def pens(self, desk):
            held["desk"] = desk
            return super().pens(desk)

    Held(**{f: getattr(attack, f) for f in attack.__dataclass_fields__}).write(
        Echo(), Marked().cases(2), Prompts(), seed=0
    )
    return Fixed(held["desk"], Marked(), attack.red, attack, Seed(0))


def step(number=0):
    return Step(number, 0, 0.0, torch.arange(4), Seed(number))


def test_rewards_are_those_of_the_paper_less_the_likeness(tmp_path):
    learner = fixed(tmp_path, diversity=0.0)
    rewards, figures = learner._rewarded(list(Fixed.texts))
    low = Marked().reward(None, ["why zzz two?"])[0]
    assert rewards == pytest.approx([-math.log(1 - 0.9), -math.log(1 - low), -3.0, -3.0])
    assert figures["valid"] == 0.5
    other = fixed(tmp_path, diversity=2.0)
    other.archive = ["why canary one?"]
    assert other._rewarded(list(Fixed.texts))[0][0] == pytest.approx(-math.log(1 - 0.9) - 2.0)


def test_what_scores_becomes_likelier_than_what_does_not(tmp_path):
    learner = fixed(tmp_path, kl=0.0)
    prompts = ["List of marked questions about birds:\n1."] * 3
    texts = [" why canary one?", " why zzz two?", " no question"]

    def likely():
        return [float(p.sum()) for p in learner.start.with_model(learner.model).log_probabilities(prompts, texts)]

    before = likely()
    optimiser = FAST.optimiser_of(learner.module)
    for number in range(8):
        optimiser.zero_grad()
        learner.archive = []
        learner.backward(step(number))
        optimiser.step()
    gained = [new - old for new, old in zip(likely(), before, strict=True)]
    assert gained[0] > gained[1] > gained[2]
    assert gained[0] > 0 > gained[2]


def test_the_divergence_starts_at_zero_and_its_weight_holds_the_policy_back(tmp_path):
    moved = {}
    for weight in (0.0, 0.99):
        learner = fixed(tmp_path, kl=weight)
        optimiser = FAST.optimiser_of(learner.module)
        for number in range(8):
            optimiser.zero_grad()
            learner.archive = []
            learner.backward(step(number))
            optimiser.step()
        assert learner.history[0]["kl"] == pytest.approx(0, abs=1e-5)
        moved[weight] = learner.history[-1]["kl"]
    assert moved[0.99] < moved[0.0] / 2


def test_the_value_head_learns_the_mean_return(tmp_path):
    learner = fixed(tmp_path)
    optimiser = torch.optim.Adam(learner.value.parameters(), 0.05)
    for number in range(60):
        optimiser.zero_grad()
        learner.archive = []
        learner.backward(step(number))
        optimiser.step()
    assert learner.history[-1]["value"] < learner.history[0]["value"] / 2


def test_repetitions_of_the_archive_or_the_batch_are_no_new_questions(tmp_path):
    learner = fixed(tmp_path)
    learner.archive = ["Who is it?"]
    assert ActorCritic._valid(learner, ["who is it ?", "who was it?", "Who was it?", "what", "why?"]) == [1]


def test_a_killed_training_ends_with_the_same_script_and_keeps_its_history(tmp_path):
    cases = Marked().cases(3)
    whole = small().write(Echo(), cases, Prompts(), seed=0, workspace=tmp_path / "whole")

    class Killed(Echo):
        def reply(self, asked):
            if len(self.asked) > 20:
                raise KeyboardInterrupt
            return super().reply(asked)

    first = Killed()
    first.name = "Echo"
    with pytest.raises(KeyboardInterrupt):
        small().write(first, cases, Prompts(), seed=0, workspace=tmp_path / "killed")
    second = Echo()
    again = small().write(second, cases, Prompts(), seed=0, workspace=tmp_path / "killed")
    assert again.attempts == whole.attempts
    assert not set(first.asked) & set(second.asked)
    history = [
        json.loads((tmp_path / name / "marked/reinforce/history.json").read_text()) for name in ("whole", "killed")
    ]
    assert history[0] == history[1]
    assert [row["step"] for row in history[0]] == [0, 1, 2]
    assert {"reward", "scored", "kl", "valid", "likeness"} <= set(history[0][0])


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidSpec, match=r"kl in \[0, 1\)"):
        Reinforce(kl=1.0)
