"""Purification: it helps against attempts that ignore it, hides its gradient, and falls to an attacker who knows of it."""

import dataclasses
import signal

import pytest
import torch

from sparring.attack.compose.bpda import BPDA
from sparring.attack.compose.oblivious import Oblivious
from sparring.attack.compose.transfer import Transfer
from sparring.attack.compose.worst_of import WorstOf
from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.attack.masking import masking_flags
from sparring.attack.query.square import Square
from sparring.attack.untouched import Untouched
from sparring.core.ball import LpBall
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec, NotHeldOut, RunMismatch
from sparring.core.schedule import Schedule
from sparring.core.spec import build, to_spec
from sparring.domains.image.data import digits
from sparring.domains.image.nets import digits_net
from sparring.domains.image.purified import Purified
from sparring.domains.image.target import BlackBox, Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from sparring.mitigate.purifier import Purifier
from sparring.train.plain.standard import Standard

THREAT = LpBall("inf", 0.2)
SMALL = Purifier(THREAT, attacks=(FGSM(),), epochs=2, width=4)


@pytest.fixture(scope="module")
def classifier():
    return Standard(epochs=8, schedule=Schedule(batch=64)).harden(Classifier(digits_net(), 10), digits("train"))


@pytest.fixture(scope="module")
def purified(classifier):
    return Purifier(THREAT, epochs=8, width=8, adversarial=0.0).harden(classifier, digits("train"))


@pytest.fixture(scope="module")
def cases(classifier):
    """A hundred that the bare classifier gets right."""
    test = digits("test")
    return test[(~test.goals.reached(classifier(test.inputs))).nonzero().squeeze(1)[:100]]


def broken(attack, target, cases):
    return float(cases.goals.reached(target(attack.run(target, cases, THREAT).inputs)).float().mean())


def test_raises_accuracy_on_attempts_that_ignore_it_and_keeps_it_on_untouched_images(classifier, purified, cases):
    for attack in (PGD(), FGSM()):
        bare, behind = broken(attack, classifier, cases), broken(Transfer(attack, classifier), purified, cases)
        assert bare > 0.85 and behind < 0.25
        assert broken(Oblivious(attack), purified, cases) == behind
    assert broken(Untouched(), purified, cases) < 0.05


def test_hides_its_gradient_from_pgd_and_falls_to_bpda(classifier, purified, cases):
    bare = broken(PGD(), classifier, cases)
    assert broken(PGD(), purified, cases) < 0.1
    assert broken(BPDA(PGD()), purified, cases) > 0.9 * bare
    assert build({"use": "compose.bpda", "attack": {"use": "gradient.pgd", "steps": 40}}) == BPDA(PGD())


def test_the_check_for_masking_fires_on_the_rounding_and_on_nothing_without_it(purified, cases):
    flags = {flag.name: flag for flag in masking_flags(purified, cases[:30], THREAT)}
    assert flags["zero-gradient"].figure == 1.0
    smooth = Purified(purified.cleaner, purified.classifier, None)
    assert "zero-gradient" not in {flag.name for flag in masking_flags(smooth, cases[:30], THREAT)}


def test_the_standard_suite_escalates(purified, cases):
    card = measure(purified, cases[:12], THREAT, suite="standard", budget=Budget(forwards=20))
    assert "zero-gradient" in {flag.name for flag in card.flags}
    assert "a masking check fired (zero-gradient" in card.notes[-1] and "so it escalated to" in card.notes[-1]


def test_the_lineage_tells_what_it_learned_from_and_what_it_is_worth(classifier, purified):
    step = purified.lineage[-1]
    assert purified.lineage[:-1] == classifier.lineage and len(purified.lineage) == 2
    assert (step.defence, step.families) == ("mitigate.purifier", ("gradient",))
    learned = sum(len(part) for part in digits("train").split(0.1)[:1])
    assert step.seconds > 0 and step.forwards > 4 * learned  # FGSM and the first steps of PGD, forward and backward
    error, oblivious, untouched, kept = step.notes
    before, after = (float(part.split()[0]) for part in error.split(": ")[1].split(", "))
    assert after < before / 2
    assert "oblivious figure" in oblivious and "who knows of the purifier" in oblivious
    with_it, without = (float(part.split("%")[0].split()[-1]) for part in oblivious.split("classified right"))
    assert with_it > 75 and without < 10
    assert "right with the purifier" in untouched and kept.startswith("kept epoch")
    with pytest.raises(NotHeldOut, match="gradient is held out"):
        measure(purified, digits("test")[:2], THREAT, attacks=[Square(queries=2)], held_out=["gradient"])


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(classifier):
    few = digits("train")[:80]
    one, same, other = (SMALL.harden(classifier, few, seed=seed) for seed in (1, 1, 2))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one.lineage[-1].notes == same.lineage[-1].notes


def test_never_touches_the_classifier(classifier):
    fingerprint, forwards, lineage = classifier.fingerprint(), classifier.meter.forwards, classifier.lineage
    before = torch.random.get_rng_state()
    made = SMALL.harden(classifier, digits("train")[:80])
    assert made.classifier.fingerprint() == classifier.fingerprint() == fingerprint
    assert classifier.meter.forwards == forwards and classifier.lineage == lineage
    assert all(weight.grad is None for weight in classifier.module.parameters())
    assert made.meter.cost == 0 and torch.equal(before, torch.random.get_rng_state())


class Interrupting:
    """A progress sink that presses Ctrl-C after so many steps."""

    def __init__(self, after):
        self.after = after

    def start(self, name, total):
        pass

    def advance(self, name, amount=1, note=""):
        self.after -= amount
        if self.after == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("stop", [1, 3])
def test_one_that_was_stopped_resumes_to_the_same_weights(stop, classifier, tmp_path):
    few = digits("train")[:150]
    defence = dataclasses.replace(SMALL, attacks=(AdvGAN(epochs=1), FGSM()))
    straight = defence.harden(classifier, few, seed=5)
    with pytest.raises(KeyboardInterrupt, match="Start the same training with the same workspace"):
        defence.harden(classifier, few, seed=5, workspace=tmp_path, progress=Interrupting(stop))
    assert (tmp_path / "attack-1" / "best.pt").is_file()
    resumed = defence.harden(classifier, few, seed=5, workspace=tmp_path)
    assert resumed.fingerprint() == straight.fingerprint()
    assert resumed.lineage[-1].notes == straight.lineage[-1].notes
    with pytest.raises(RunMismatch, match="epochs was 2, now 3"):
        dataclasses.replace(defence, epochs=3).harden(classifier, few, seed=5, workspace=tmp_path)


def test_a_discriminator_learns_only_where_it_has_a_weight(classifier):
    few = digits("train")[:60]
    alone, told = (dataclasses.replace(SMALL, adversarial=weight).harden(classifier, few) for weight in (0.0, 1.0))
    assert "critic" not in alone.lineage[-1].history[-1] and told.lineage[-1].history[-1]["critic"] > 0
    assert alone.fingerprint() != told.fingerprint()


def test_names_the_families_of_every_attack_inside_and_round_trips_through_its_spec():
    defence = Purifier(THREAT, attacks=[WorstOf([PGD(), Square()]), AdvGAN()], levels=None)
    assert defence.families == ("gradient", "query", "generator")
    assert build(to_spec(defence)) == defence
    assert build({"use": "purifier", "threat": to_spec(THREAT)}) == Purifier(THREAT)


def test_refuses_settings_that_mean_nothing():
    with pytest.raises(InvalidSpec, match=r"a radius above 0, .*; got Linf <= 0 in \[0, 1\]\. Name the radius"):
        Purifier(LpBall("inf", 0.0))
    with pytest.raises(InvalidSpec, match=r"needs attacks to learn from, such as \[PGD\(steps=10\)\]; got 'pgd'"):
        Purifier(THREAT, attacks=["pgd"])
    with pytest.raises(InvalidSpec, match=r"needs attacks to learn from.*; got \(\)"):
        Purifier(THREAT, attacks=())
    with pytest.raises(InvalidSpec, match="adversarial weight of 0 or more; got 0, 8 and -1"):
        Purifier(THREAT, epochs=0, adversarial=-1)
    with pytest.raises(InvalidSpec, match="levels of 2 or more, or None for no rounding; got 1"):
        Purifier(THREAT, levels=1)
    with pytest.raises(InvalidSpec, match="a share above 0 and below 1 to hold back; got 1"):
        Purifier(THREAT, share=1.0)


def test_refuses_a_target_that_it_cannot_stand_in_front_of_and_cases_that_it_cannot_learn_from():
    target, few = toy_classifier(), toy_cases(20)
    box = BlackBox(lambda inputs: inputs, 4, name="remote")
    with pytest.raises(
        Incompatible, match=r"needs a target of the kind Classifier; remote is a BlackBox\. See: sparring"
    ):
        SMALL.harden(box, few)
    with pytest.raises(InvalidCases, match=r"a share of 0\.1 splits 1 into 1 and 0\. Pass more cases"):
        SMALL.harden(target, few[:1])
    with pytest.raises(
        InvalidCases, match=r"needs cases with labels; got goals of list\. Use arrays\(inputs, labels\)"
    ):
        SMALL.harden(target, dataclasses.replace(few, goals=[None] * 20))
    with pytest.raises(InvalidCases, match=r"needs images of shape .* got \(\d+, 36\)"):
        SMALL.harden(target, dataclasses.replace(few, inputs=few.inputs.flatten(1)))
    wide = dataclasses.replace(SMALL, threat=LpBall("inf", 0.2, -1, 1))
    with pytest.raises(InvalidCases, match=r"needs images in \[0, 1\]; case toy-\d+ spans \[-.*Scale the data"):
        wide.harden(target, dataclasses.replace(few, inputs=few.inputs - 0.5))
    with pytest.raises(
        InvalidSpec, match=r"attempts that change images; those of untouched change none\. Choose other"
    ):
        dataclasses.replace(SMALL, attacks=(Untouched(),)).harden(target, few)
