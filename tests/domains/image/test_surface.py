"""Stickers on a surface: where they land in a picture, and which are allowed."""

import math

import pytest
import torch

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Misclassify
from sparring.domains.image.road_signs import StopFace, road_signs
from sparring.domains.image.surface import OnSurface, Prints, WholeImage, paste


def plain(count: int = 2) -> Cases:
    return Cases(
        [f"p{i}" for i in range(count)], torch.full((count, 3, 40, 40), 0.5), Misclassify(torch.zeros(count).long())
    )


def prints(*places: tuple[float, ...], colour: float = 1.0) -> Prints:
    return Prints(torch.tensor(places), torch.full((len(places), 3, 2, 2), colour))


def stuck(cases: Cases, surface, which: Prints) -> torch.Tensor:
    return paste(cases.inputs, surface.views(cases.ids, cases.inputs.shape[1:]), which)


def test_lands_where_the_surface_is():
    pasted = stuck(plain(), WholeImage(), prints((0.5, -0.5, 0.1, 0.2, 0.0)))
    changed = (pasted[0] != 0.5).any(0).nonzero()
    assert changed.amin(0).tolist() == [6, 28] and changed.amax(0).tolist() == [13, 31]  # rows, then columns


def test_sign_and_sticker_move_together_over_poses():
    cases = road_signs("test", 30, sign="stop")
    views = StopFace().views(cases.ids, cases.inputs.shape[1:])
    pasted = stuck(cases, StopFace(), prints((0.0, 0.0, 0.2, 0.2, 0.0), colour=0.0))
    for number, changed in enumerate((pasted != cases.inputs).any(1)):
        middle = changed.nonzero().float().mean(0).flip(0) + 0.5
        expected = views.homography[number, :2, 2]  # the surface's origin
        assert torch.allclose(middle, expected, atol=0.6)


def test_a_sticker_is_lit_as_its_picture_is():
    cases = road_signs("test", 4, sign="stop")
    views = StopFace().views(cases.ids, cases.inputs.shape[1:])
    pasted = stuck(cases, StopFace(), prints((0.0, 0.0, 0.2, 0.2, 0.0), colour=0.5))
    for number in range(4):
        x, y = views.homography[number, :2, 2].long().tolist()
        expected = 0.5 * views.gain[number] + views.offset[number]
        assert torch.allclose(pasted[number, :, y, x], expected.clamp(0, 1), atol=1e-5)


def test_admits_stickers_of_its_area_in_every_pose():
    cases = road_signs("test", 40, sign="stop")
    side = math.sqrt(0.06 * StopFace().area / 2) / 2
    pair = prints((-0.4, 0.3, side, side, 0.3), (0.4, -0.1, side * 1.2, side / 1.2, 1.0), colour=0.0)
    assert bool(OnSurface(0.06, 2, StopFace()).admits(cases, stuck(cases, StopFace(), pair)).all())


def test_refuses_too_many_too_large_or_stickers_beside_the_sign():
    cases, threat = plain(), OnSurface(0.02, 2)
    small = (0.05, 0.05, 0.0)
    assert bool(threat.admits(cases, stuck(cases, WholeImage(), prints((0, 0, *small), (0.5, 0.5, *small)))).all())
    three = prints((0, 0, *small), (0.5, 0.5, *small), (-0.5, 0.5, *small))
    assert not bool(threat.admits(cases, stuck(cases, WholeImage(), three)).any())
    assert not bool(threat.admits(cases, stuck(cases, WholeImage(), prints((0, 0, 0.2, 0.2, 0.0)))).any())
    signs = road_signs("test", 4, sign="stop")
    beside = signs.inputs.clone()
    beside[:, :, 0, 0] = 1 - beside[:, :, 0, 0]
    assert not bool(OnSurface(0.5, 3, StopFace()).admits(signs, beside).any())


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(InvalidSpec, match=r"between 0 and 1; got area -0\.1"):
        OnSurface(-0.1)
    with pytest.raises(InvalidSpec, match="1 sticker or more; got count 0"):
        OnSurface(count=0)
