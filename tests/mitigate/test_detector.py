"""The detector on digits: what it sees, how often it cries wolf, and what is left of it once the attacker knows."""

import dataclasses
import signal

import pytest
import torch

from sparring.attack.compose.oblivious import Oblivious
from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.attack.query.square import Square
from sparring.attack.untouched import Untouched
from sparring.config import parse_recipe
from sparring.core.ball import LpBall
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec, NotHeldOut, RunMismatch
from sparring.core.schedule import Schedule
from sparring.core.spec import build, to_spec
from sparring.domains.image.data import digits
from sparring.domains.image.guarded import auroc
from sparring.domains.image.target import BlackBox, Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.mitigate.detector import Detector
from sparring.mitigate.watching import fewest, threshold_of
from sparring.train.plain.standard import Standard
from tests.train.lessons import small_net, weights

BALL = LpBall("inf", 0.15)
SCHEDULE = Schedule(batch=32, optimiser="adamw", peak=1e-2, shape="one-cycle", warmup=0.1, weight_decay=0.0)
DETECTOR = Detector(BALL, (AdvGAN(epochs=3), PGD(steps=5)), epochs=8, width=8, share=0.4, schedule=SCHEDULE)
QUICK = Detector(LpBall("inf", 0.1), (PGD(steps=2),), 0.1, epochs=3, width=4, share=0.5, schedule=SCHEDULE)


class Interrupting:
    """A progress sink that presses Ctrl-C after so many steps of the detector."""

    def __init__(self, after):
        self.after = after

    def start(self, name, total):
        pass

    def advance(self, name, amount=1, note=""):
        self.after -= amount
        if self.after == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def bare():
    return Standard(epochs=4, schedule=Schedule(batch=64, peak=0.1)).harden(small_net(), digits("train"))


@pytest.fixture(scope="module")
def guarded(bare):
    return DETECTOR.harden(bare, digits("train"))


def critic(target):
    return torch.cat([weight.detach().flatten() for weight in target.critic.state_dict().values()])


def test_it_sees_attacks_that_do_not_know_of_it_seen_and_unseen(guarded):
    test = digits("test")
    untouched = guarded.suspicion(test.inputs)
    for attack, least in ((PGD(steps=20), 0.98), (AdvGAN(epochs=3), 0.98), (Square(queries=50), 0.95)):
        ready = attack.prepare(guarded.inner, test[300:], BALL, seed=9)
        attempts = ready.run(guarded.inner, test[:300], BALL, seed=9)
        seen = guarded.suspicion(attempts.inputs[(attempts.inputs != test.inputs[:300]).flatten(1).any(1)])
        assert len(seen) > 200
        assert auroc(untouched, seen) > least, attack.label


def test_it_rejects_about_one_untouched_test_case_in_a_hundred(guarded):
    test = digits("test")
    alarms = float((guarded(test.inputs).argmax(1) == 10).float().mean())
    assert 0.001 < alarms < 0.025
    right = float((~guarded.place(test).goals.failed(guarded(test.inputs))).float().mean())
    assert right > 0.87


def test_an_attack_that_knows_of_it_breaks_what_one_that_does_not_leaves(guarded):
    cases = guarded.place(digits("test"))
    cases = cases[~cases.goals.failed(guarded(cases.inputs))][:200]
    broken = {}
    for attack in (PGD(steps=20), Oblivious(PGD(steps=20))):
        inputs = attack.run(guarded, cases, BALL).inputs
        broken[attack.label] = float(cases.goals.reached(guarded(inputs)).float().mean())
    assert broken["oblivious(pgd)"] < 0.15
    assert broken["pgd"] > broken["oblivious(pgd)"] + 0.4


def test_the_record_tells_threshold_false_alarms_and_each_attack(bare, guarded):
    step = guarded.lineage[-1]
    assert guarded.lineage[:-1] == bare.lineage
    assert (step.defence, step.families) == ("mitigate.detector", ("generator", "gradient"))
    threshold, alarms, generator, gradient = step.notes
    assert (
        f"rejects above a score of {guarded.threshold:.3g}, which" in threshold and "0.01 false positives" in threshold
    )
    assert alarms.startswith("false alarms: ") and "other untouched images" in alarms
    for note, label in ((generator, "adv-gan"), (gradient, "pgd")):
        assert note.startswith(f"oblivious {label}: AUROC ") and float(note.split()[3].rstrip(",")) > 0.98
    assert "knows of the detector" in gradient
    learned_from = len(digits("train").split(0.4, "detector")[0])
    assert step.forwards >= learned_from * (2 * 3 + 1)  # three epochs of AdvGAN, and an attempt of PGD
    assert step.seconds > 0 and len(step.history) == 8


def test_the_threshold_is_set_on_some_held_back_cases_and_counted_on_others(guarded):
    learn, held = digits("train").split(0.4, "detector")
    setting, proof = held.split(0.5, "detector threshold")
    assert len({*learn.ids, *setting.ids, *proof.ids}) == len(digits("train"))
    assert guarded.threshold == threshold_of(guarded.suspicion(setting.inputs), 0.01)
    alarms = float((guarded.suspicion(proof.inputs) > guarded.threshold).float().mean())
    assert guarded.lineage[-1].notes[1] == f"false alarms: {alarms:.1%} of {len(proof)} other untouched images"


def test_the_target_stays_as_it_was(bare):
    before, meter, lineage = weights(bare), dataclasses.replace(bare.meter), bare.lineage
    bare.module.train()
    made = QUICK.harden(bare, digits("train"))
    assert torch.equal(weights(bare), before) and bare.meter == meter and bare.lineage == lineage
    assert all(part.training for part in bare.module.modules())
    assert all(weight.grad is None or not bool(weight.grad.any()) for weight in bare.module.parameters())
    assert made.meter.cost == 0
    assert made.inner is not bare and made.inner.fingerprint() == bare.fingerprint()


def test_the_same_seed_gives_the_same_detector_and_another_seed_another():
    target, cases = toy_classifier(), toy_cases(120)
    one, again, other = (QUICK.harden(target, cases, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(critic(one), critic(again)) and one.threshold == again.threshold
    assert one.fingerprint() == again.fingerprint() and one.lineage[-1].notes == again.lineage[-1].notes
    assert not torch.equal(critic(one), critic(other))


@pytest.mark.parametrize("stop", [1, 3])
def test_killed_and_resumed_gives_what_a_straight_run_gives(tmp_path, stop):
    target, cases = toy_classifier(), toy_cases(120)
    learns = dataclasses.replace(QUICK, attacks=(AdvGAN(epochs=1), PGD(steps=2)))
    straight = learns.harden(target, cases, seed=1)
    with pytest.raises(KeyboardInterrupt, match=r"train mitigate\.detector stopped after step"):
        learns.harden(target, cases, seed=1, workspace=tmp_path, progress=Interrupting(stop))
    resumed = learns.harden(target, cases, seed=1, workspace=tmp_path)
    assert torch.equal(critic(straight), critic(resumed)) and straight.threshold == resumed.threshold
    assert straight.lineage[-1].notes == resumed.lineage[-1].notes
    assert straight.lineage[-1].forwards == resumed.lineage[-1].forwards
    for other in ({"seed": 2}, {"data": toy_cases(120, seed=5)}):
        with pytest.raises(RunMismatch, match="asked for something else"):
            learns.harden(target, **{"data": cases, "seed": 1, **other}, workspace=tmp_path)
    plain = dataclasses.replace(learns, attacks=(PGD(steps=2),))
    plain.harden(target, cases, workspace=tmp_path / "plain")
    with pytest.raises(RunMismatch, match="cases was"):
        plain.harden(target, toy_cases(120, seed=5), workspace=tmp_path / "plain")


def test_the_threshold_is_the_order_statistic_that_keeps_the_promise():
    scores = torch.arange(99.0)[torch.randperm(99, generator=torch.Generator().manual_seed(0))]
    assert threshold_of(scores, 0.01) == 98.0 and threshold_of(scores, 0.05) == 94.0
    assert fewest(0.01) == 99 and fewest(0.05) == 19 and fewest(0.5) == 1
    drawn = torch.Generator().manual_seed(0)
    above = [1 - threshold_of(torch.rand(150, generator=drawn, dtype=torch.float64), 0.04) for _ in range(2000)]
    assert sum(above) / 2000 == pytest.approx(6 / 151, rel=0.03)  # uniform scores: the mean chance, and below 0.04


def test_what_an_attack_left_alone_is_not_shown_as_attacked():
    target, cases = toy_classifier(), toy_cases(120)
    with pytest.raises(InvalidSpec, match=r"learns from attempts that change images; those of untouched change none"):
        dataclasses.replace(QUICK, attacks=(Untouched(),)).harden(target, cases)
    both = dataclasses.replace(QUICK, attacks=(PGD(steps=2), Untouched()))
    assert not any("none" in note for note in both.harden(target, cases).lineage[-1].notes)


def test_a_recipe_that_holds_a_family_out_refuses_a_detector_that_learns_from_it():
    recipe = {
        "name": "x", "target": "digits", "classes": 10, "data": {"test": "digits:test", "train": "digits:train"},
        "threat": {"use": "core.ball.LpBall", "norm": "inf", "radius": 0.1},
        "attacks": [{"use": "gradient.pgd"}], "held_out": ["gradient"],
    }  # fmt: skip
    with pytest.raises(NotHeldOut, match="gradient is held out, but the defence 'd' trains on it"):
        parse_recipe({**recipe, "defences": {"d": {"use": "detector"}}})
    kept = {"use": "detector", "attacks": [{"use": "learned.adv_gan"}]}
    assert parse_recipe({**recipe, "defences": {"d": kept}}).built_defences["d"].families == ("generator",)


def test_settings_make_the_round_trip_and_the_docstring_says_what_is_asked_of_a_defence():
    assert build(to_spec(DETECTOR)) == DETECTOR
    assert Detector(BALL, [PGD()]).attacks == (PGD(),)
    assert {"Paper:", "Differs:", "Cost:"} <= set(Detector.__doc__.split())


def test_refusals():
    with pytest.raises(InvalidSpec, match=r"needs a threat with a radius above 0.*got Linf <= 0 in \[0, 1\]\. Name"):
        Detector(LpBall("inf", 0.0))
    with pytest.raises(InvalidSpec, match=r"Detector needs attacks to learn from.*got \(\)"):
        Detector(BALL, ())
    with pytest.raises(InvalidSpec, match=r"false_positives and a share above 0 and below 1; got 0 and 0\.3"):
        Detector(BALL, false_positives=0)
    with pytest.raises(InvalidSpec, match=r"epochs and width of 1 or more; got 0 and 16"):
        Detector(BALL, epochs=0)
    with pytest.raises(Incompatible, match="needs a target of the kind Classifier"):
        DETECTOR.harden(BlackBox(lambda x: x, 10), digits("test"))
    with pytest.raises(
        InvalidCases, match=r"needs 99 untouched cases to set a threshold for 0\.01 false positives, as"
    ):
        DETECTOR.harden(small_net(), digits("train")[:400])
    flat = Classifier(torch.nn.Linear(36, 4), 4)
    cases = toy_cases(120)
    with pytest.raises(InvalidCases, match=r"mitigate\.detector needs images of shape"):
        QUICK.harden(flat, dataclasses.replace(cases, inputs=cases.inputs.flatten(1)))
