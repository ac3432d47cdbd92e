"""Auto-PGD against closed forms, planted adversaries and its promised cost."""

import pytest
import torch
from torch import nn

from sparring.attack.gradient.apgd import APGD
from sparring.attack.gradient.apgd_targeted import APGDTargeted
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import ClassifyAs, Misclassify
from sparring.domains.image.target import Classifier

from .linear import DUAL, linear, margins, right_cases

NORMS = ("inf", 2, 1)
by_norm = pytest.mark.parametrize("norm", NORMS)


@by_norm
def test_reaches_the_closed_form_optimum_of_a_linear_model(norm):
    target = linear()
    cases = right_cases(target)
    slope = (target.module.weight[0] - target.module.weight[1]).detach()
    radius = 0.9 * float(margins(target, cases)[norm].min())
    threat = LpBall(norm, radius, low=-50, high=50)
    attempts = APGD(steps=40).run(target, cases, threat)
    assert not attempts.found.any()
    best = cases.goals.margin(target(cases.inputs)) + radius * slope.norm(p=DUAL[norm])
    assert torch.allclose(cases.goals.margin(target(attempts.inputs)), best, rtol=1e-4, atol=1e-4)


@by_norm
@pytest.mark.parametrize(
    "attack, classes",
    # Among several classes the other losses may climb towards one that is not the nearest; all targets in turn do not.
    [(APGD(steps=40), 2), (APGD("dlr", steps=40), 2), *((APGDTargeted(steps=40), count) for count in (2, 3, 4, 6))],
    ids=str,
)
def test_breaks_exactly_what_the_closed_form_says_can_be_broken(attack, classes, norm):
    target = linear(classes)
    cases = right_cases(target)
    distance = margins(target, cases)[norm]
    shape = (-1, 1)
    beyond = attack.run(target, cases, LpBall(norm, (1.005 * distance).reshape(shape), low=-50, high=50))
    short = attack.run(target, cases, LpBall(norm, (0.995 * distance).reshape(shape), low=-50, high=50))
    assert not short.found.any()
    assert beyond.found.all()


class Planted(nn.Module):
    """Class 1 within 0.02 (squared: 0.0004) of one point of each ball, class 0 everywhere else."""

    def __init__(self, origins, point):
        super().__init__()
        self.origins, self.point = origins, point

    def forward(self, inputs):
        nearest = torch.cdist(inputs, self.origins).argmin(1)
        off = (inputs - self.point[nearest]).square().sum(1)
        return torch.stack([torch.zeros_like(off), 0.0004 - off], 1)


@by_norm
def test_finds_the_planted_adversary(norm):
    generator = torch.Generator().manual_seed(0)
    origins = torch.rand(8, 12, generator=generator)
    threat = LpBall(norm, {"inf": 0.1, 2: 0.3, 1: 0.6}[norm])
    region = threat.around(origins)
    point = region.project_(origins + 0.3 * torch.randn(8, 12, generator=generator))
    target = Classifier(Planted(origins, point), 2)
    cases = Cases([f"c{i}" for i in range(8)], origins, Misclassify(torch.zeros(8, dtype=torch.long)))
    for attack in (APGD(), APGD("dlr"), APGDTargeted()):
        assert attack.run(target, cases, threat).found.all(), attack


@by_norm
def test_spends_one_forward_more_than_steps_and_no_gradient_after_the_last_step(norm):
    target = linear(5)
    cases = right_cases(target)
    threat = LpBall(norm, 1e-4)
    spared = 2 if norm == 1 else 0  # the starts of the narrower radii, paid out of the steps
    for attack, runs, clean in ((APGD(steps=30), 1, 0), (APGD(steps=30, restarts=2), 2, 0), (APGDTargeted(30), 4, 1)):
        target.meter.forwards = target.meter.input_backwards = 0
        attack.run(target, cases, threat)
        assert target.meter.forwards == len(cases) * (clean + runs * 31)
        assert target.meter.input_backwards == len(cases) * runs * (30 - spared)
        assert target.meter.weight_backwards == 0


def test_fooled_cases_leave_the_batch():
    target = linear()
    cases = right_cases(target)
    target.meter.forwards = 0
    attempts = APGD(steps=50).run(target, cases, LpBall("inf", 1.0))
    assert attempts.found.all()
    assert target.meter.forwards <= 4 * len(cases)


@by_norm
def test_turns_inputs_into_the_class_that_the_goal_names(norm):
    target = linear(5)
    cases = right_cases(target)
    labels = cases.goals.labels
    wanted = (labels + 1) % 5
    cases = Cases(cases.ids, cases.inputs, ClassifyAs(wanted, labels))
    threat = LpBall(norm, {"inf": 0.5, 2: 3.0, 1: 15.0}[norm], low=-3, high=4)
    for attack in (APGD(steps=30), APGD("dlr", steps=30), APGDTargeted(steps=30)):
        attempts = attack.run(target, cases, threat)
        assert attempts.found.all()
        assert torch.equal(target(attempts.inputs).argmax(1), wanted)


@by_norm
def test_stays_inside_another_box_and_leaves_masked_coordinates_alone(norm):
    target = linear(4, size=20)
    generator = torch.Generator().manual_seed(3)
    inputs = -2 + 5 * torch.rand(10, 20, generator=generator)
    mask = torch.arange(20) % 3 > 0
    low, high = torch.full((20,), -2.0), torch.linspace(3, 4, 20)
    threat = LpBall(norm, {"inf": 0.7, 2: 2.0, 1: 5.0}[norm], low, high, mask)
    cases = Cases([f"c{i}" for i in range(10)], inputs, Misclassify(target(inputs).argmax(1)))
    for attack in (APGD(steps=20), APGDTargeted(steps=20)):
        attempts = attack.run(target, cases, threat)
        assert bool(threat.admits(cases, attempts.inputs).all())
        assert torch.equal(attempts.inputs[:, ~mask], inputs[:, ~mask])
        assert not torch.equal(attempts.inputs, inputs)


def test_halves_its_step_where_a_fixed_one_would_swing_across_a_narrow_ridge():
    ridge = Classifier(Ridge(), 2)
    cases = Cases(["a"], torch.tensor([[0.5, 0.5]]), Misclassify(torch.tensor([0])))
    moved = APGD(steps=100).run(ridge, cases, LpBall("inf", 0.4)).inputs
    assert abs(float(moved[0, 0]) - 0.6) < 1e-3


class Ridge(nn.Module):
    """Loss is highest at a first coordinate of 0.6, and class 0 everywhere."""

    def forward(self, inputs):
        return torch.stack([torch.ones(len(inputs)), -10 * (inputs[:, 0] - 0.6).abs()], 1)


def test_refuses_other_losses_and_counts_below_one():
    with pytest.raises(InvalidSpec, match="'ce' or 'dlr'; got loss='cw'"):
        APGD("cw")
    with pytest.raises(InvalidSpec, match="steps and restarts of 1 or more; got 0 and 1"):
        APGD(steps=0)
    with pytest.raises(InvalidSpec, match="got 100, 0 and 1"):
        APGDTargeted(targets=0)
