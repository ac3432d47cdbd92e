"""The universal change against closed forms on linear models."""

import pytest
import torch

from sparring.attack.physical.universal import Universal
from sparring.core.ball import LpBall
from sparring.core.errors import InvalidCases, InvalidSpec
from tests.attack.physical.two_classes import drawn, grey_cases, two_classes


def test_is_the_sign_of_the_weights_in_the_linf_ball():
    weights, cases = drawn(1, 6, 6), grey_cases(20, (1, 6, 6))
    ready = Universal().prepare(two_classes(weights), cases, LpBall("inf", 0.1))
    assert ready.change is not None
    assert torch.allclose(ready.change, 0.1 * weights.sign(), atol=1e-6)


def test_is_the_direction_of_the_weights_in_the_l2_ball():
    weights, cases = drawn(1, 6, 6), grey_cases(20, (1, 6, 6))
    ready = Universal().prepare(two_classes(weights), cases, LpBall(2, 0.5))
    assert ready.change is not None
    assert torch.allclose(ready.change, 0.5 * weights / weights.norm(), atol=1e-5)


def test_spends_the_whole_l1_radius_on_coordinates_of_large_weight():
    weights, cases = drawn(1, 6, 6), grey_cases(20, (1, 6, 6))
    ready = Universal().prepare(two_classes(weights), cases, LpBall(1, 0.3))
    assert ready.change is not None
    assert float(ready.change.abs().sum()) == pytest.approx(0.3, rel=1e-3)
    assert float((ready.change * weights).sum()) == pytest.approx(0.3 * float(weights.abs().max()), rel=0.02)


def test_carries_over_to_cases_that_it_never_saw():
    weights, threat = drawn(1, 6, 6), LpBall("inf", 0.1)
    cases = grey_cases(40, (1, 6, 6))
    scores = (cases.inputs * weights).flatten(1).sum(1)
    bias = -float(scores.max()) - 0.5 * 0.1 * float(weights.abs().sum())  # the best change crosses for the top case
    target = two_classes(weights, bias)
    found = Universal().prepare(target, cases[:20], threat).run(target, cases[20:], threat).found
    best = scores[20:] + bias + 0.1 * weights.abs().sum() > 0
    assert torch.equal(found, best)


def test_refuses_settings_and_cases_that_it_cannot_use():
    with pytest.raises(InvalidSpec, match="positive epochs, step_size, batch and clip"):
        Universal(clip=0)
    target, cases = two_classes(drawn(1, 6, 6)), grey_cases(2, (1, 6, 6))
    with pytest.raises(InvalidSpec, match="one radius for all cases"):
        Universal().run(target, cases, LpBall("inf", torch.full((2, 1, 1, 1), 0.1)))
    with pytest.raises(InvalidCases, match="learns from cases, and there are none"):
        Universal().prepare(target, cases[:0], LpBall("inf", 0.1))
    ready = Universal(epochs=1).prepare(target, cases, LpBall("inf", 0.1))
    with pytest.raises(InvalidCases, match=r"learned a change of shape \(1, 6, 6\); got inputs of shape \(1, 7, 7\)"):
        ready.run(two_classes(drawn(1, 7, 7)), grey_cases(2, (1, 7, 7)), LpBall("inf", 0.1))
