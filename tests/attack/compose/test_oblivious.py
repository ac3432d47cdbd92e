"""An attacker who does not know of a mitigation: whom it asks, what it hands over, what it claims."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn

from sparring.attack.compose.oblivious import Oblivious
from sparring.attack.gradient.pgd import PGD
from sparring.attack.untouched import Untouched
from sparring.core.ball import LpBall
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.spec import LEARNED, build, to_spec
from sparring.domains.image.guarded import Guarded
from sparring.domains.image.target import BlackBox
from sparring.domains.image.toy import toy_cases, toy_classifier

THREAT = LpBall("inf", 0.05)


class Bright(nn.Module):
    """Scores an image by its mean."""

    def forward(self, images):
        return images.flatten(1).mean(1)


@dataclass(frozen=True)
class Learner(Untouched):
    """Remembers which target it was prepared on, and for which goals."""

    seen: tuple[str, str] = field(default=("", ""), metadata=LEARNED)

    def prepare(self, target, cases, threat, *, seed=0, workspace=None):
        return replace(self, seen=(type(target).__name__, type(cases.goals).__name__))


def guarded(threshold=1.0):
    return Guarded(toy_classifier(), Bright(), threshold)


def test_it_hands_over_what_the_attack_finds_on_the_bare_target_and_claims_nothing():
    target, cases = guarded(), toy_cases()
    alone = PGD(steps=10).run(target.inner, cases, THREAT, seed=3)
    handed = Oblivious(PGD(steps=10)).run(target, target.place(cases), THREAT, seed=3)
    assert bool(alone.found.any())
    assert torch.equal(handed.inputs, alone.inputs)
    assert not bool(handed.found.any())


def test_the_detector_changes_nothing_about_it():
    attack, cases = Oblivious(PGD(steps=10)), toy_cases()
    inputs = [attack.run(t, t.place(cases), THREAT).inputs for t in (guarded(), guarded(threshold=-9.0))]
    assert torch.equal(*inputs)
    adaptive = [PGD(steps=10).run(t, t.place(cases), THREAT).inputs for t in (guarded(), guarded(threshold=-9.0))]
    assert not torch.equal(*adaptive)


def test_a_target_without_a_mitigation_is_its_own_bare_target():
    target, cases = toy_classifier(), toy_cases()
    assert target.bare is target
    assert guarded().bare.fingerprint() == target.fingerprint()
    attempts = Oblivious(PGD(steps=10)).run(target, cases, THREAT)
    assert torch.equal(attempts.inputs, PGD(steps=10).run(target, cases, THREAT).inputs)


def test_what_learns_learns_on_the_bare_target():
    target = guarded()
    ready = Oblivious(Learner()).prepare(target, target.place(toy_cases()), THREAT)
    assert ready.attack.seen == ("Classifier", Misclassify.__name__)


def test_it_keeps_the_attacks_name_family_parts_and_budget():
    attack = Oblivious(PGD(steps=40))
    assert (attack.label, attack.family, attack.parts) == ("oblivious(pgd)", "gradient", (PGD(steps=40),))
    assert build(to_spec(attack)) == attack
    assert attack.within(Budget(forwards=11), guarded()).attack == PGD(steps=10)


def test_refuses_what_is_no_attack_and_an_attack_that_the_bare_target_cannot_serve():
    with pytest.raises(InvalidSpec, match="Oblivious needs attacks"):
        Oblivious("pgd")
    box = BlackBox(lambda x: x.reshape(len(x), -1)[:, :4], 4)
    with pytest.raises(Incompatible, match=r"gradient\.pgd needs a Differentiable target; got BlackBox"):
        Oblivious(PGD()).run(box, toy_cases(2), THREAT)
