"""The nearest point of a hyperplane inside a box, in Linf, L2 and L1, without sorting."""

import torch
from torch import Tensor

_MOST_STEPS = 60
_FAR = 1e30  # stands for a bound that is not there, because 0 * inf is no number


def onto_hyperplane(normal: Tensor, gap: Tensor, low: Tensor, high: Tensor, norm: str | int) -> Tensor:
    """The smallest change with `normal . change = gap` and `low <= change <= high`; where the box does not reach the
    hyperplane, the corner that comes nearest.

    With the sign of each coordinate fixed by the normal's, what is left is one unknown per row: how far a coordinate
    may go before its bound stops it. The reached distance is a concave piecewise linear function of it (Linf, L2), on
    which Newton's method, once left of the root, climbs to it in finitely many steps and never overshoots. For L1
    whole coordinates are used up in the order of their slopes, and halving finds the slope at which to stop.

    The published projections (Croce and Hein, 2020, arXiv:1907.02044, section 3.1) sort every row instead.

    Args:
        normal: shape (batch, feature).
        gap: shape (batch,).
        low, high: shape (batch, feature), low <= 0 <= high.
        norm: "inf", 2 or 1.

    Returns:
        Changes, shape (batch, feature).
    """
    forward = torch.where(gap < 0, -1.0, 1.0)[:, None]
    slope = normal.abs()
    limit = torch.where(normal * forward > 0, high, -low).clamp_(0, _FAR)
    gap = gap.abs()
    if norm == 1:
        length = _fill(slope, limit, gap)
    else:
        length = _newton(slope, torch.ones_like(slope) if norm == "inf" else slope, limit, gap)
    return torch.copysign(length, normal).mul_(forward)


def _newton(slope: Tensor, speed: Tensor, limit: Tensor, gap: Tensor) -> Tensor:
    """min(t * speed, limit) with the t >= 0 at which slope . that = gap; the limit where there is none."""
    gain = slope * speed
    # The time at which each coordinate meets its bound; those that never help are stopped from the start.
    stop = torch.where(gain > 0, limit / speed, 0.0).clamp_max_(_FAR)
    time = (gap / gain.sum(1).clamp_min(1e-30))[:, None]
    gone, running = torch.empty_like(stop), torch.empty_like(stop)
    for _ in range(_MOST_STEPS):
        reached = torch.linalg.vecdot(gain, torch.minimum(stop, time, out=gone))
        rate = torch.linalg.vecdot(gain, torch.gt(stop, time, out=running))
        further = ((gap - reached) / rate)[:, None].nan_to_num_(torch.inf, torch.inf).clamp_min_(0)
        time = torch.where(rate[:, None] > 0, time + further, torch.inf)
        if bool((further <= 1e-6 * time).all()):
            break
    return torch.minimum(stop, time, out=gone).mul_(speed)


def _fill(slope: Tensor, limit: Tensor, gap: Tensor) -> Tensor:
    """The limit on the steepest coordinates, part of it on the marginal ones, so that slope . that = gap."""
    worth = slope * limit
    least, most = torch.zeros_like(gap), slope.amax(1)
    for _ in range(_MOST_STEPS):
        middle = (least + most) / 2
        enough = torch.linalg.vecdot(worth, (slope > middle[:, None]).to(slope.dtype)) >= gap
        settled = (middle <= least) | (middle >= most)
        least, most = torch.where(enough, middle, least), torch.where(enough, most, middle)
        if bool(settled.all()):
            break
    whole = slope > most[:, None]
    marginal = (slope > least[:, None]) & ~whole
    missing = gap - torch.linalg.vecdot(worth, whole.to(slope.dtype))
    part = missing / torch.linalg.vecdot(worth, marginal.to(slope.dtype)).clamp_min(1e-30)
    return limit * (whole + marginal * part.clamp(0, 1)[:, None])
