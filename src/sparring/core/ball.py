"""Lp balls inside a box: the threat that images, audio, tables and observations share."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Stream
from sparring.core.threat import Projectable, Region

_SLACK = 1e-5  # relative; float32 rounding of a sum over a large image stays below it
_EXACT = 1e-6  # relative; how near the L1 projection comes to the radius
_L1_SHARE = 0.05  # share of coordinates that one L1 step moves


@dataclass(frozen=True)
class LpBall(Projectable):
    """All inputs within `radius` of the case, inside the box.

    Args:
        norm: "inf", 2 or 1.
        radius: in input units, so 8/255 for images in [0, 1]; zero allows nothing but the case itself. A number, or a
            tensor of shape (batch, 1, ...).
        low, high: bounds of the box; numbers, or tensors of one input's shape.
        mask: which coordinates may change, bool, one input's shape; None for all.

    Raises:
        InvalidSpec: for another norm, a negative radius or an empty box.
    """

    norm: str | int
    radius: Any  # pyrefly: ignore[bad-override]
    low: Any = 0.0
    high: Any = 1.0
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if str(self.norm) not in ("inf", "2", "1"):
            raise InvalidSpec(f'norm must be "inf", 2 or 1; got {self.norm!r}.')
        object.__setattr__(self, "norm", "inf" if str(self.norm) == "inf" else int(self.norm))
        if not bool(torch.as_tensor(self.radius).ge(0).all()):
            raise InvalidSpec(f"radius must be zero or positive; got {self.radius}. Zero measures clean accuracy.")
        if not bool((torch.as_tensor(self.low) < torch.as_tensor(self.high)).all()):
            raise InvalidSpec(f"the box is empty: low {self.low} must be below high {self.high}.")

    def around(self, origins: Tensor) -> "BallRegion":
        low, high = self._bounds(origins)
        radius = torch.as_tensor(self.radius, dtype=origins.dtype, device=origins.device)
        if self.norm == "inf":
            low = torch.maximum(origins - radius, low)
            high = torch.minimum(origins + radius, high)
        if self.mask is not None:
            fixed = ~self.mask.to(origins.device)
            low, high = torch.where(fixed, origins, low), torch.where(fixed, origins, high)
        low, high = (bound.expand(origins.shape) for bound in (low, high))
        radius = radius.expand(len(origins), *[1] * (origins.ndim - 1)) if radius.ndim == 0 else radius
        return BallRegion(self.norm, radius, origins, low, high)

    def distance(self, inputs: Tensor, origins: Tensor) -> Tensor:
        return lp_norm(inputs - origins, self.norm)

    def scaled(self, radius: Any) -> "LpBall":
        return replace(self, radius=radius)

    def admits(self, cases: Cases, attempts: Tensor) -> Tensor:
        origins = cases.inputs
        region = self.around(origins)
        slack = _SLACK * region.radius.reshape(len(origins)) + 1e-6
        near = self.distance(attempts, origins) <= region.radius.reshape(len(origins)) + slack
        low, high = self._bounds(origins)
        low, high = torch.minimum(low, origins), torch.maximum(high, origins)
        inside = ((attempts >= low - 1e-6) & (attempts <= high + 1e-6)).flatten(1).all(1)
        kept = torch.ones_like(near)
        if self.mask is not None:
            still = (attempts == origins) | self.mask.to(origins.device)
            kept = still.flatten(1).all(1)
        return near & inside & kept

    def check(self, cases: Cases) -> None:
        inputs = cases.inputs
        if not bool(torch.isfinite(inputs).all()):
            bad = int((~torch.isfinite(inputs).flatten(1).all(1)).nonzero()[0])
            raise InvalidCases(f"inputs must be finite; case {cases.ids[bad]} holds NaN or infinity. Clean the data.")
        low, high = self._bounds(inputs)
        outside = ((inputs < low - 1e-6) | (inputs > high + 1e-6)).flatten(1).any(1)
        if bool(outside.any()):
            bad = int(outside.nonzero()[0])
            raise InvalidCases(
                f"inputs must lie in the threat's box ({self._box()}); case {cases.ids[bad]} spans "
                f"[{float(inputs[bad].min()):g}, {float(inputs[bad].max()):g}]. Scale the data or set low and high."
            )

    def describe(self) -> str:
        masked = "" if self.mask is None else f", {int(self.mask.sum())} coordinates"
        return f"L{self.norm} <= {_number(self.radius)} in {self._box()}{masked}"

    def _box(self) -> str:
        return f"[{_number(self.low)}, {_number(self.high)}]"

    def _bounds(self, origins: Tensor) -> tuple[Tensor, Tensor]:
        low, high = (
            torch.as_tensor(bound, dtype=origins.dtype, device=origins.device) for bound in (self.low, self.high)
        )
        return low, high


@dataclass(frozen=True)
class BallRegion(Region):
    """The ball around each origin of one batch; `low` and `high` already hold box, mask and (for Linf) radius."""

    norm: str | int
    radius: Tensor  # pyrefly: ignore[bad-override]
    origins: Tensor
    low: Tensor
    high: Tensor

    def __getitem__(self, index: Tensor) -> "BallRegion":
        return BallRegion(self.norm, self.radius[index], self.origins[index], self.low[index], self.high[index])

    def project_(self, inputs: Tensor) -> Tensor:
        """Linf: clamp. L2: scale into the ball, then clamp (which only shortens). L1: exact for ball and box together."""
        if self.norm == 2:
            change = inputs.sub_(self.origins)
            length = lp_norm(change, 2).reshape(self.radius.shape)
            change.mul_((self.radius / length.clamp_min(1e-12)).clamp_max(1.0)).add_(self.origins)
        elif self.norm == 1:
            change = inputs.sub_(self.origins)
            inputs.copy_(
                self.origins + _onto_l1(change, self.low - self.origins, self.high - self.origins, self.radius)
            )
        return torch.clamp(inputs, self.low, self.high, out=inputs)

    def sample(self, stream: Stream, at: int = 0) -> Tensor:
        """Linf: uniform in the allowed interval of each coordinate. L2, L1: uniform in the ball, then projected."""
        shape = self.origins.shape[1:]
        size = math.prod(shape)
        if self.norm == "inf":
            return self.low + (self.high - self.low) * stream.uniform(shape, at)
        if self.norm == 2:
            direction = stream.normal(shape, 2 * at)
        else:
            uniform = stream.uniform((2, *shape), 2 * at)
            direction = -torch.log1p(-uniform[:, 0]) * torch.where(uniform[:, 1] < 0.5, -1.0, 1.0)
        length = stream.uniform((), 2 * at + 1) ** (1.0 / size)
        direction = direction / lp_norm(direction, self.norm).clamp_min(1e-12).reshape(self.radius.shape)
        return self.project_(self.origins + direction * self.radius * length.reshape(self.radius.shape))

    def steepest(self, gradient: Tensor) -> Tensor:
        """Linf: the sign. L2: the direction. L1: the signs of the largest 5 % of coordinates that can still move
        (SLIDE: Tramer and Boneh, 2019, arXiv:1904.13000, section 4.1)."""
        if self.norm == "inf":
            return gradient.sign_()
        if self.norm == 2:
            return gradient.div_(lp_norm(gradient, 2).clamp_min(1e-12).reshape(self.radius.shape))
        movable = gradient.masked_fill(self.low == self.high, 0.0).flatten(1)
        count = max(1, int(_L1_SHARE * movable.shape[1]))
        threshold = movable.abs().topk(count, 1).values[:, -1:]
        chosen = movable.sign() * (movable.abs() >= threshold)
        return (chosen / chosen.abs().sum(1, keepdim=True).clamp_min(1.0)).reshape(gradient.shape)


def lp_norm(change: Tensor, norm: str | int) -> Tensor:
    """Norm of each case's change, shape (batch,)."""
    flat = change.reshape(len(change), math.prod(change.shape[1:]))
    if norm == "inf":
        return flat.abs().amax(1)
    return flat.norm(dim=1) if norm == 2 else flat.abs().sum(1)


def _onto_l1(change: Tensor, low: Tensor, high: Tensor, radius: Tensor) -> Tensor:
    """Euclidean projection onto {L1 norm <= radius} and {low <= change <= high}, where low <= 0 <= high.

    The solution is clamp(soft_threshold(change, t), low, high) with one t >= 0 per case, at which its norm, falling and
    piecewise linear in t, meets the radius (Croce and Hein, 2021, arXiv:2103.01208, section 2, find it by sorting).
    """
    shape = change.shape
    change, low, high = (value.flatten(1) for value in (change, low, high))
    size, limit = change.abs(), torch.where(change >= 0, high, -low)
    threshold = _threshold(size, limit, radius.reshape(len(change), 1))
    return (change.sign() * torch.minimum((size - threshold).clamp_min_(0), limit)).reshape(shape)


def _threshold(size: Tensor, limit: Tensor, radius: Tensor) -> Tensor:
    """The t of each case at which `min(max(size - t, 0), limit)` sums to at most the radius, shape (batch, 1).

    Newton's method, kept in a bracket that halves at every third step; it ends when every case is within 1e-6 of its
    radius, mostly after six to ten steps.
    """
    most = size.amax(1, keepdim=True)
    count = int((size > 0).sum(1).max()) if size.numel() else 0
    if count < size.shape[1] // 2:  # coordinates that do not move add nothing to any sum
        size, chosen = size.topk(count, 1, sorted=False)
        limit = limit.gather(1, chosen)
    least = torch.zeros_like(most)
    at, answer = least, most
    done = torch.zeros_like(most, dtype=torch.bool)
    for step in range(1, 100):
        above = size - at
        total = torch.minimum(above.clamp_min(0), limit).sum(1, keepdim=True)
        slope = ((above > 0) & (above <= limit)).sum(1, keepdim=True)
        excess = total - radius
        over = excess > 0
        least, most = torch.where(over, at, least), torch.where(over, most, at)
        newton, middle = at + excess / slope.clamp_min(1), (least + most) / 2
        exact = (excess.abs() <= _EXACT * radius) | (~over & (at == 0))
        answer = torch.where(done, answer, torch.where(exact, at, most))
        done |= exact | (middle <= least) | (middle >= most)  # where float32 has no number left in between
        if bool(done.all()):
            break
        inside = (newton > least) & (newton < most) & (slope > 0)
        at = torch.where(inside & bool(step % 3), newton, middle)
    return answer


def _number(value: Any) -> str:
    value = torch.as_tensor(value)
    if value.numel() > 1:
        return f"{float(value.min()):g} to {float(value.max()):g}"
    number = float(value)
    steps = number * 255
    if 0 < number < 0.2 and abs(steps - round(steps)) < 1e-4:
        return f"{round(steps)}/255"
    return f"{number:g}"
