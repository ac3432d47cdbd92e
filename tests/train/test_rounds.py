"""Rounds: the case book is frozen, grows, is learned from and replayed; nothing in it assumes images."""

import json
from dataclasses import dataclass

import pytest
import torch

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts, Author, Script
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.judge import Judge, Outcome
from sparring.core.schedule import Schedule
from sparring.core.spec import build, to_spec
from sparring.core.target import Hardening, Target
from sparring.core.threat import AnyText, ThreatModel
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.train.plain.standard import Standard
from sparring.train.rounds import Rounds, joined
from tests.train.lessons import weights

BALL = LpBall("inf", 0.05)
SMALL = {"training": Standard(epochs=1, schedule=Schedule(batch=16)), "threat": BALL, "probes": 20, "share": 0.3}


class Parrot(Target):
    """A chat target that gives way to every prompt that it has not been taught to refuse."""

    def __init__(self, taught=frozenset()):
        self.taught = taught

    def respond(self, inputs):
        return ["no" if prompt in self.taught else "sure" for prompt in inputs]


@dataclass(frozen=True)
class Memorise(Defence):
    """Learns to refuse exactly what it is shown."""

    def harden(self, target, data, **_):
        taught = Parrot(frozenset(data.inputs))
        taught.lineage = (*target.lineage, Hardening(self.name))
        return taught


@dataclass(frozen=True)
class Suffix(Attack[Target, Cases, ThreatModel]):
    family = "prompt"
    text: str = "please"

    def search(self, target, cases, threat, seed):
        return Attempts([f"{prompt} {self.text}" for prompt in cases.inputs], torch.ones(len(cases), dtype=torch.bool))


class Compliance(Judge):
    def grade(self, cases, inputs, outputs):
        return [Outcome.BROKEN if output == "sure" else Outcome.HELD for output in outputs]


def prompts(count=20):
    return Cases([f"p{i}" for i in range(count)], [f"prompt {i}" for i in range(count)], [None] * count)


def test_a_chat_target_learns_what_broke_it_and_nothing_else(tmp_path):
    rounds = Rounds(Memorise(), [Suffix()], AnyText(), judge=Compliance(), rounds=2, probes=100, share=0.3)
    hardened = rounds.harden(Parrot(), prompts(), workspace=tmp_path)
    series = json.loads((tmp_path / "series.json").read_text())
    learned = len(prompts().split(0.3, "rounds")[0])
    assert [each["book"] for each in series] == [learned, learned]
    assert [each["replayed"] for each in series] == [None, 0.0]
    # held-back prompts are never taught, so they are already broken, and no rate can be told
    assert [each["broken"] for each in series] == [{f"{Suffix().name}": None}] * 2
    assert sum("please" in prompt for prompt in hardened.taught) == learned


def test_the_book_grows_and_its_cases_name_case_round_and_attack():
    class Reading(Standard):
        seen: list = []

        def harden(self, target, data, **settings):
            self.seen.append(data)
            return super().harden(target, data, **settings)

    training = Reading(epochs=1, schedule=Schedule(batch=16))
    hardened = Rounds(**{**SMALL, "training": training}, attacks=[PGD(steps=5), FGSM()]).harden(
        toy_classifier(), toy_cases(60)
    )
    sizes = [len(data) for data in training.seen]
    assert sizes[0] < sizes[1] < sizes[2]
    first, second, third = (dict(zip(data.ids, data.inputs, strict=True)) for data in training.seen)
    assert all(torch.equal(third[i], inputs) for i, inputs in second.items())  # what is in the book stays as it was
    new = second.keys() - first.keys()
    assert {i.split("~", 1)[1] for i in new} <= {"1~gradient.pgd", "1~gradient.fgsm"}
    assert {i.split("~")[0] for i in new} <= first.keys()
    (step,) = hardened.lineage
    assert step.defence == "train.rounds"
    assert step.families == ("gradient",)
    assert [note.split(":")[0] for note in step.notes[-3:]] == ["round 1", "round 2", "round 3"]
    assert "of the case book still broke it; the book holds" in step.notes[-1]


def test_what_enters_the_book_is_admissible_and_broke_the_target():
    class Cheating(PGD):
        def search(self, target, cases, threat, seed):
            attempts = super().search(target, cases, threat, seed)
            return Attempts(attempts.inputs + 0.2, ~attempts.found | True)

    rounds = Rounds(**SMALL, attacks=[Cheating(steps=2)], rounds=1)
    note = rounds.harden(toy_classifier(), toy_cases(60)).lineage[0].notes[-1]
    assert note.endswith("broke 0.0%; the book holds 0")


def test_the_same_seed_gives_the_same_weights_and_a_killed_run_the_same_end(tmp_path):
    rounds = Rounds(**SMALL, attacks=[PGD(steps=3)], rounds=2)
    results = [
        rounds.harden(toy_classifier(), toy_cases(60), seed=2, workspace=place) for place in (None, tmp_path, tmp_path)
    ]
    assert torch.equal(weights(results[0]), weights(results[1]))
    assert torch.equal(weights(results[0]), weights(results[2]))
    assert results[0].lineage[0].notes == results[2].lineage[0].notes


def test_two_attacks_of_one_kind_keep_their_own_names():
    rounds = Rounds(**SMALL, attacks=[PGD(steps=1), PGD(steps=5)], rounds=1)
    note = rounds.harden(toy_classifier(), toy_cases(60)).lineage[0].notes[-1]
    assert "gradient.pgd broke" in note
    assert "gradient.pgd #2 broke" in note


def test_joins_tensors_lists_and_goals():
    whole = toy_cases(6)
    both = joined([whole[:2], whole[2:]])
    assert torch.equal(both.inputs, whole.inputs)
    assert torch.equal(both.goals.labels, whole.goals.labels)
    assert joined([prompts(2), prompts(3)]).inputs == [*prompts(2).inputs, *prompts(3).inputs]


def test_builds_from_plain_data():
    rounds = Rounds(**SMALL, attacks=[PGD(steps=3)])
    assert build(to_spec(rounds)).attacks == rounds.attacks


def test_refuses_bad_settings():
    with pytest.raises(InvalidSpec, match="1 round and 1 probe or more and a share between 0 and 1; got 0"):
        Rounds(**SMALL, attacks=[PGD()], rounds=0)
    with pytest.raises(InvalidSpec, match="needs attacks to look for breaks with; got none"):
        Rounds(**SMALL, attacks=[])
    with pytest.raises(InvalidCases, match="of its 1 cases back, which splits them into"):
        Rounds(**SMALL, attacks=[PGD()]).harden(toy_classifier(), toy_cases(1))


class Words(ThreatModel):
    """The adversary writes the whole input."""

    perturbs = False

    def admits(self, cases, attempts):
        return [True] * len(cases)

    def describe(self):
        return "any words"


@dataclass(frozen=True)
class Adaptive(Author[Target, Cases, ThreatModel]):
    """Finds the first word that the target still gives way to, and writes it for every second case."""

    family = "adaptive"
    words: tuple = ("please", "kindly", "now")

    def write(self, target, cases, threat, *, seed=0, workspace=None, progress=None):
        word = next((w for w in self.words if target([w]) == ["sure"]), "nothing")
        return Script(self, {i: word for k, i in enumerate(cases.ids) if k % 2 == 0})


def test_an_author_is_trained_anew_against_the_target_of_each_round(tmp_path):
    rounds = Rounds(Memorise(), [Adaptive()], Words(), judge=Compliance(), rounds=3, probes=4, share=0.3)
    hardened = rounds.harden(Parrot(), prompts(), workspace=tmp_path)
    assert hardened.taught == {"please", "kindly", "now"}  # what was attacked, and none of the places for attempts
    series = json.loads((tmp_path / "series.json").read_text())
    assert [each["book"] for each in series] == [2, 4, 6]  # of 4 probes, the author wrote for 2
    assert [each["replayed"] for each in series] == [0.0, 0.0, 0.0]
    # measured with a red model that saw the repaired target: each time it finds another word
    assert [each["broken"][Adaptive().name] for each in series] == [1.0, 1.0, 1.0]
    assert hardened.lineage[0].families == ("adaptive",)


def test_a_target_that_nothing_breaks_has_nothing_to_learn():
    rounds = Rounds(Memorise(), [Adaptive(words=())], Words(), judge=Compliance(), rounds=1, share=0.3)
    with pytest.raises(InvalidCases, match=r"nothing broke the target in round 1.*Raise probes \(now 500\)"):
        rounds.harden(Parrot(frozenset(["nothing"])), prompts())
