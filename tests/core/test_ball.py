"""The L1 projection: against bisection in float64."""

import pytest
import torch

from sparring.core.ball import LpBall


def by_bisection(change, low, high, radius):
    """clamp(soft_threshold(change, t), low, high) at the t that 200 halvings find, in float64."""
    least, most = torch.zeros(len(change), 1).double(), change.abs().amax(1, keepdim=True)
    for _ in range(200):
        middle = (least + most) / 2
        cut = change.sign() * (change.abs() - middle).clamp_min(0)
        over = torch.maximum(torch.minimum(cut, high), low).abs().sum(1, keepdim=True) > radius
        least, most = torch.where(over, middle, least), torch.where(over, most, middle)
    inside = torch.maximum(torch.minimum(change, high), low)
    cut = torch.maximum(torch.minimum(change.sign() * (change.abs() - most).clamp_min(0), high), low)
    return torch.where(inside.abs().sum(1, keepdim=True) <= radius, inside, cut)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("radius", [0.0, 1e-4, 0.7, 5.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-3, 0.3, 20.0])
def test_projects_onto_the_l1_ball_and_the_box_together(radius, scale, sparse):
    generator = torch.Generator().manual_seed(3)
    origins = torch.rand(40, 2, 12, 12, generator=generator)
    origins[:, :, :3] = origins[:, :, :3].round()  # pixels that can move one way only
    change = scale * torch.randn(origins.shape, generator=generator)
    if sparse:
        change = change * (torch.rand(origins.shape, generator=generator) < 0.05)
    region = LpBall(1, radius).around(origins)
    projected = region.project_(origins + change)
    flat = ((origins + change) - origins).flatten(1).double()
    expected = by_bisection(flat, -origins.flatten(1).double(), 1 - origins.flatten(1).double(), radius)
    assert torch.allclose((projected - origins).flatten(1).double(), expected, atol=max(2e-6, 1e-6 * scale))
    norms = (projected - origins).flatten(1).double().abs().sum(1)
    assert bool((norms <= radius * (1 + 2e-6) + 1e-5 * max(scale, 1)).all())


def test_projects_no_case_at_all():
    region = LpBall(1, 0.5).around(torch.zeros(0, 1, 4, 4))
    assert region.project_(torch.zeros(0, 1, 4, 4)).shape == (0, 1, 4, 4)
