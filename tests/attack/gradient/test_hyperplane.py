"""The projection onto a hyperplane inside a box, against a slow reference that sorts."""

import pytest
import torch

from sparring.attack.gradient.hyperplane import onto_hyperplane
from sparring.core.ball import lp_norm


def reference(normal, gap, low, high, norm):
    """One row in float64, by trying every breakpoint in order."""
    normal, low, high = normal.double(), low.double(), high.double()
    gap = float(gap)
    sign = 1.0 if gap >= 0 else -1.0
    slope, limit, gap = normal.abs(), torch.where(normal * sign > 0, high, -low), abs(gap)
    change = torch.zeros_like(normal)
    if float((slope * limit).sum()) <= gap:
        change = limit
    elif norm == 1:
        for i in slope.argsort(descending=True).tolist():
            change[i] = min(float(limit[i]), gap / float(slope[i]))
            gap -= float(slope[i] * change[i])
            if gap <= 0:
                break
    else:
        speed = torch.ones_like(slope) if norm == "inf" else slope
        times = torch.where(slope > 0, limit / speed, torch.zeros_like(slope))
        before = 0.0
        for time in [*sorted(times.tolist())]:
            if float((slope * torch.minimum(times, torch.tensor(time)) * speed).sum()) >= gap:
                break
            before = time
        reached = float((slope * torch.minimum(times, torch.tensor(before)) * speed).sum())
        rate = float((slope * speed * (times > before)).sum())
        change = torch.minimum(times, torch.tensor(before + (gap - reached) / rate)) * speed
    return torch.where(slope > 0, sign * normal.sign() * change, torch.zeros_like(normal))


def problems(count=60, width=40):
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(count, width, generator=generator) * (torch.rand(count, width, generator=generator) < 0.7)
    point = torch.rand(count, width, generator=generator).mul(2).sub(0.5).clamp(0, 1)  # many sit on the box
    gap = torch.randn(count, generator=generator) * torch.logspace(-3, 1.5, count)
    return normal, gap, -point, 1 - point


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_agrees_with_the_sorted_solution_to_a_millionth(norm):
    normal, gap, low, high = problems()
    found = onto_hyperplane(normal, gap, low, high, norm)
    for row in range(len(gap)):
        wanted = reference(normal[row], gap[row], low[row], high[row], norm).float()
        assert torch.allclose(lp_norm(found[row][None], norm), lp_norm(wanted[None], norm), rtol=1e-5, atol=1e-6)
        assert torch.allclose(found[row], wanted, atol=1e-6, rtol=1e-5), row


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_lands_on_the_hyperplane_or_in_the_nearest_corner(norm):
    normal, gap, low, high = problems()
    change = onto_hyperplane(normal, gap, low, high, norm)
    assert bool(((change >= low - 1e-6) & (change <= high + 1e-6)).all())
    most = torch.where(normal * gap.sign()[:, None] > 0, high, -low).mul(normal.abs()).sum(1)
    wanted = torch.minimum(gap.abs(), most) * gap.sign()
    assert bool((most < gap.abs()).any()) and bool((most > gap.abs()).any())
    assert torch.allclose((normal * change).sum(1), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_a_gap_of_zero_a_zero_normal_and_no_rows_move_nothing(norm):
    box = torch.full((2, 5), 0.5)
    normal = torch.tensor([[1.0, -2, 0, 3, 1], [0, 0, 0, 0, 0]])
    assert torch.equal(onto_hyperplane(normal, torch.tensor([0.0, 1.0]), -box, box, norm), torch.zeros(2, 5))
    assert onto_hyperplane(normal[:0], torch.zeros(0), -box[:0], box[:0], norm).shape == (0, 5)


def test_works_in_a_box_without_bounds():
    normal, wide = torch.tensor([[3.0, 4.0]]), torch.full((1, 2), torch.inf)
    for norm, wanted in (("inf", [10 / 7, 10 / 7]), (2, [1.2, 1.6]), (1, [0.0, 2.5])):
        change = onto_hyperplane(normal, torch.tensor([10.0]), -wide, wide, norm)
        assert torch.allclose(change, torch.tensor([wanted]), atol=1e-5), norm
