"""The patch against closed forms on linear models."""

import math

import pytest
import torch

from sparring.attack.physical.sticker import Sticker, stick
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.spec import build, digest, to_spec
from sparring.domains.image.threat import Patch
from tests.attack.physical.two_classes import drawn, grey_cases, two_classes


def test_learns_the_sign_of_the_weights_where_it_covers_the_whole_picture():
    weights = drawn(1, 8, 8)
    cases = grey_cases(8, (1, 8, 8))
    attack = Sticker(resolution=8, degrees=0, smallest=1.0, tries=1).prepare(two_classes(weights), cases, Patch(1.0))
    assert attack.pattern is not None
    assert torch.equal(attack.pattern, (weights > 0).float())
    attempts = attack.run(two_classes(weights, bias=-float(weights.clamp_min(0).sum()) + 1e-3), cases, Patch(1.0))
    assert bool(attempts.found.all())  # only the best of all patches reaches this bias


def test_learns_the_best_colour_where_the_model_looks_at_colour_alone():
    weights = torch.tensor([1.0, -2.0, 0.5]).view(3, 1, 1).expand(3, 12, 12)
    cases = grey_cases(16, (3, 12, 12))
    attack = Sticker().prepare(two_classes(weights), cases, Patch(0.2), seed=1)
    assert attack.pattern is not None
    best = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 16, 16)
    assert torch.allclose(attack.pattern, best, atol=0.01)


def test_covers_the_area_that_it_was_given_and_nothing_else():
    inputs, side = torch.zeros(1, 1, 40, 40), 10.0
    for degrees in (0.0, 20.0, 45.0):
        placed = torch.tensor([[20.3, 19.8, side / 2, math.radians(degrees)]])
        changed = stick(inputs, torch.ones(1, 4, 4), placed)
        assert float(changed.sum()) == pytest.approx(side**2, rel=0.04)
        assert float(changed.max()) == 1.0
    straight = stick(inputs, torch.ones(1, 4, 4), torch.tensor([[20.0, 20.0, 5.0, 0.0]]))
    assert torch.equal(straight[0, 0].nonzero().aminmax(dim=0).min, torch.tensor([15, 15]))
    assert torch.equal(straight[0, 0].nonzero().aminmax(dim=0).max, torch.tensor([24, 24]))


def test_what_was_learned_is_no_setting():
    cases, threat = grey_cases(4, (1, 6, 6)), Patch(0.1)
    ready = Sticker(epochs=1).prepare(two_classes(drawn(1, 6, 6)), cases, threat)
    assert digest(ready) == digest(Sticker(epochs=1))
    assert build(to_spec(ready)) == Sticker(epochs=1)


def test_a_patch_of_no_area_changes_nothing():
    cases = grey_cases(3, (1, 6, 6))
    attempts = Sticker(epochs=1).run(two_classes(drawn(1, 6, 6), -100.0), cases, Patch(0.0))
    assert torch.equal(attempts.inputs, cases.inputs)


def test_refuses_settings_and_cases_that_it_cannot_use():
    with pytest.raises(InvalidSpec, match=r"smallest in \(0, 1\]; got 30.0 and 0"):
        Sticker(smallest=0)
    with pytest.raises(InvalidSpec, match="epochs, resolution, tries and batch of 1 or more"):
        Sticker(epochs=0)
    target, cases = two_classes(drawn(1, 6, 6)), grey_cases(2, (1, 6, 6))
    with pytest.raises(InvalidCases, match="learns from cases, and there are none"):
        Sticker().prepare(target, cases[:0], Patch())
    ready = Sticker(epochs=1).prepare(target, cases, Patch())
    with pytest.raises(InvalidCases, match="learned a pattern of 1 channels; got inputs of 3"):
        ready.run(two_classes(drawn(3, 6, 6)), grey_cases(2, (3, 6, 6)), Patch())
