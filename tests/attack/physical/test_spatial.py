"""Rotation and translation: finds what was planted, and tries what it says it tries."""

import pytest
import torch

from sparring.attack.physical.spatial import Spatial
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.seed import Seed
from sparring.domains.image.target import BlackBox, LabelBox
from sparring.domains.image.threat import RotateTranslate

THREAT = RotateTranslate(30, 2)


def picture(count: int = 1) -> Cases:
    images = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    return Cases([f"p{i}" for i in range(count)], images, Misclassify(torch.zeros(count).long()))


def sees_only(planted: torch.Tensor) -> LabelBox:
    """A model that errs on one picture in the world."""
    return LabelBox(lambda x: (abs(x - planted.numpy()).reshape(len(x), -1).max(1) < 1e-4).astype(int), 2)


@pytest.mark.parametrize("pose", [(24.0, -1.0, 2.0), (-30.0, 2.0, -2.0), (0.0, 0.0, 1.0), (6.0, 0.0, 0.0)])
def test_finds_the_planted_pose(pose):
    cases = picture()
    planted = THREAT.render(cases.inputs, torch.tensor([pose]))
    attempts = Spatial().run(sees_only(planted), cases, THREAT)
    assert bool(attempts.found.all())
    assert torch.allclose(attempts.inputs, planted, atol=1e-4)


def test_keeps_the_worst_pose_of_the_grid_where_none_fools():
    cases = picture(3)
    target = BlackBox(lambda x: [[100.0, float(one[0, :6].sum())] for one in x], 2)  # bright at the top is bad
    attempts = Spatial(angles=5, shifts=3).run(target, cases, THREAT)
    best = torch.full((3,), -torch.inf)
    for angle in (-30, -15, 0, 15, 30):
        for right in (-2, 0, 2):
            for down in (-2, 0, 2):
                pose = torch.tensor([[angle, right, down]]).float().expand(3, 3)
                best = torch.maximum(best, THREAT.render(cases.inputs, pose)[:, 0, :6].flatten(1).sum(1))
    assert torch.allclose(attempts.inputs[:, 0, :6].flatten(1).sum(1), best, atol=1e-4)
    assert not bool(attempts.found.any())


def test_draws_each_case_its_own_poses_whatever_the_batch():
    cases = picture(6)
    target = BlackBox(lambda x: [[100.0, float(one[0, :6].sum())] for one in x], 2)
    attack = Spatial(angles=0, shifts=0, draws=7)
    whole = attack.run(target, cases, THREAT, seed=Seed(5)).inputs
    alone = torch.cat([attack.run(target, cases[i : i + 1], THREAT, seed=Seed(5)).inputs for i in range(6)])
    assert torch.allclose(whole, alone, atol=1e-6)
    assert bool(THREAT.admits(cases, whole).all())


def test_asks_exactly_as_often_as_it_says():
    cases, attack = picture(2), Spatial(angles=3, shifts=3, draws=4)
    target = BlackBox(lambda x: [[1.0, 0.0]] * len(x), 2)
    attack.run(target, cases, THREAT)
    assert target.meter.forwards == 2 * attack.cost(target) == 2 * (27 + 4 + 1)


def test_refuses_to_try_nothing():
    with pytest.raises(InvalidSpec, match="angles and shifts of 1 or more, or draws of 1 or more; got 31, 0 and 0"):
        Spatial(shifts=0)
