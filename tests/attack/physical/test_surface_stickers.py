"""Stickers on a surface: the best places and prints on linear models, and what the threat admits of them."""

import pytest
import torch

from sparring.attack.physical.surface_stickers import SurfaceStickers
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.domains.image.surface import OnSurface
from tests.attack.physical.two_classes import drawn, grey_cases, two_classes


def test_goes_where_the_model_looks_and_shows_what_it_wants():
    weights = torch.zeros(3, 20, 20)
    weights[0, 13:17, 2:6] = 1.0  # red at the lower left speaks for the other class
    weights[2, 3:7, 12:16] = -1.0  # and blue at the upper right against it
    threat = OnSurface(0.08, 2)
    ready = SurfaceStickers(steps=60).prepare(two_classes(weights), grey_cases(4, (3, 20, 20)), threat)
    assert ready.prints is not None
    places, texture = ready.prints.places, ready.prints.texture
    left = int(places[:, 0].argmin())
    assert torch.allclose(places[left, :2], torch.tensor([-0.6, 0.5]), atol=0.11)
    assert torch.allclose(places[1 - left, :2], torch.tensor([0.4, -0.5]), atol=0.11)
    assert float(texture[left, 0, 1:3, 1:3].min()) > 0.98
    assert float(texture[1 - left, 2, 1:3, 1:3].max()) < 0.02


def test_reaches_the_best_that_a_single_sticker_can_do():
    weights = torch.zeros(1, 20, 20)
    weights[0, 8:12, 8:12] = 1.0
    threat = OnSurface(0.041, 1)  # 16 of 400 pixels, and a little for rounding
    cases = grey_cases(4, (1, 20, 20))
    found = SurfaceStickers(steps=60).run(two_classes(weights, -15.9), cases, threat).found
    assert bool(found.all())  # 16 white pixels under the weights, and nothing less, reach 15.9


def test_leaves_the_surface_alone_where_no_sticker_is_allowed():
    cases = grey_cases(2, (1, 8, 8))
    attempts = SurfaceStickers(steps=2).run(two_classes(drawn(1, 8, 8), -100.0), cases, OnSurface(0.0, 2))
    assert torch.equal(attempts.inputs, cases.inputs)


def test_refuses_settings_and_cases_that_it_cannot_use():
    with pytest.raises(InvalidSpec, match="views, steps, sets and cells of 1 or more"):
        SurfaceStickers(sets=0)
    with pytest.raises(InvalidCases, match="learns from cases, and there are none"):
        SurfaceStickers().prepare(two_classes(drawn(1, 8, 8)), grey_cases(2, (1, 8, 8))[:0], OnSurface())
