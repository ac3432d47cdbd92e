"""What may happen to an image besides a ball of noise: a patch, a rotation with a shift, a natural corruption."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.threat import ThreatModel
from sparring.domains.image.corruption import KINDS, SEVERITIES, corrupt

_ANGLES = 180  # orientations tried for the enclosing square, half a degree apart
_ANGLE_SLACK = 1.005  # the best of them is at most a quarter degree off, which makes the square 0.44 % larger
_COARSE_SIDE = 32  # pixels; parameters are searched for on pictures no larger than this
_GRID_STEP = 1.8  # pixels of that picture
_STARTS = 24
_BLOCK = 4_000_000  # values held at once while parameters are recovered


@dataclass(frozen=True)
class Patch(ThreatModel):
    """One sticker: all changed pixels lie in a square of any place and orientation, inside the box.

    A pixel belongs to the square if its centre does. Verified by the smallest enclosing square over orientations half
    a degree apart, so a patch may be up to half a percent longer than it should.

    Args:
        area: the square's share of the image, 0 to 1; zero allows nothing but the case itself.
        low, high: bounds of the box.

    Raises:
        InvalidSpec: for an area outside [0, 1] or an empty box.
    """

    area: float = 0.05
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.area <= 1:
            raise InvalidSpec(f"a patch covers a share of the image between 0 and 1; got area {self.area}.")
        _check_box(self.low, self.high)

    def side(self, height: int, width: int) -> float:
        """The longest side that the square may have, in pixels."""
        return math.sqrt(self.area * height * width)

    def admits(self, cases: Cases, attempts: Tensor) -> Tensor:
        changed = (attempts != cases.inputs).any(1)
        fits = enclosing_square(changed) <= self.side(*changed.shape[1:]) * _ANGLE_SLACK + 1e-4
        return (fits | ~changed.flatten(1).any(1)) & within_box(attempts, self.low, self.high)

    def check(self, cases: Cases) -> None:
        check_images(cases, self.low, self.high)

    def describe(self) -> str:
        return f"a patch of at most {100 * self.area:g} % of the image in [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class RotateTranslate(ThreatModel):
    """The picture turned about its centre and shifted, by bilinear interpolation; what comes into view is `fill`.

    An attempt is admitted if parameters are found that make it again to within `tolerance` in every value. They are
    found by a grid on blurred pictures and Levenberg-Marquardt from its best points, so nothing outside the range is ever
    admitted; an allowed picture could in principle be missed. Cost: a few hundred
    renderings per attempt and no query.

    Args:
        degrees: most turn either way; positive is clockwise.
        pixels: most shift in each direction; positive is right and down.
        fill: value of what comes into view.
        low, high: bounds of the box.
        tolerance: in input units; the default is one step of an 8-bit picture.

    Raises:
        InvalidSpec: for negative or endless ranges, an empty box or a fill outside it.
    """

    degrees: float = 30.0
    pixels: float = 3.0
    fill: float = 0.0
    low: float = 0.0
    high: float = 1.0
    tolerance: float = 1 / 255

    def __post_init__(self) -> None:
        if not (0 <= self.degrees <= 180 and 0 <= self.pixels < math.inf):
            raise InvalidSpec(
                f"degrees must lie in 0 to 180 and pixels must be zero or positive; "
                f"got {self.degrees} and {self.pixels}."
            )
        _check_box(self.low, self.high)
        if not self.low <= self.fill <= self.high:
            raise InvalidSpec(f"fill must lie in the box [{self.low:g}, {self.high:g}]; got {self.fill}.")

    @property
    def limits(self) -> Tensor:
        """Most degrees, pixels right and pixels down, shape (3,)."""
        return torch.tensor([self.degrees, self.pixels, self.pixels], dtype=torch.float32)

    def render(self, inputs: Tensor, parameters: Tensor) -> Tensor:
        """The pictures under (degrees, pixels right, pixels down), shape (batch, 3)."""
        moved = _turn(inputs - self.fill, parameters).add_(self.fill)
        return moved.clamp_(self.low, self.high)

    def admits(self, cases: Cases, attempts: Tensor) -> Tensor:
        origins = cases.inputs
        admitted = _distance(attempts, origins) <= self.tolerance
        size = max(1, _BLOCK // (4 * max(1, math.prod(origins.shape[1:]))))
        left = (~admitted & torch.isfinite(attempts).flatten(1).all(1)).nonzero().squeeze(1)
        for block in left.split(size):
            admitted[block] = self.recover(origins[block], attempts[block])[1] <= self.tolerance
        return admitted & within_box(attempts, self.low, self.high)

    def recover(self, origins: Tensor, attempts: Tensor) -> tuple[Tensor, Tensor]:
        """Allowed parameters that explain how origins became attempts, shape (batch, 3), and the largest error left.

        Cases that the best start of the grid explains are done; only the rest go on from the next one.
        """
        starts = self._coarse(origins, attempts)
        parameters = starts[:, 0].clone()
        errors = torch.full((len(origins),), torch.inf).to(origins)
        for rank in range(starts.shape[1]):
            left = (errors > self.tolerance).nonzero().squeeze(1)
            if len(left) == 0:
                break
            found = starts[left, rank]
            factor = _pooling(origins)
            while factor >= 1:
                found = self._descend(_blur(origins[left], factor), _blur(attempts[left], factor), found, factor, 5)
                factor //= 2
            found = self._descend(origins[left], attempts[left], found, 1, 10)
            error = _distance(self.render(origins[left], found), attempts[left])
            better = error < errors[left]
            parameters[left] = torch.where(better[:, None], found, parameters[left])
            errors[left] = torch.minimum(error, errors[left])
        return parameters, errors

    def _coarse(self, origins: Tensor, attempts: Tensor) -> Tensor:
        """The points of the grid that explain each attempt best, shape (batch, start, 3)."""
        factor = _pooling(origins)
        small, goal = _blur(origins, factor), _blur(attempts, factor)
        turn = math.degrees(_GRID_STEP / (max(small.shape[2:]) / 2))  # moves the rim by a step
        shift = _axis(self.pixels / factor, _GRID_STEP)
        grid = torch.cartesian_prod(_axis(self.degrees, turn), shift, shift).to(origins)
        errors = [
            (self.render(small, point.expand(len(origins), 3)) - goal).flatten(1).square().sum(1) for point in grid
        ]
        best = torch.stack(errors, 1).topk(min(_STARTS, len(grid)), 1, largest=False).indices
        return grid[best] * grid.new_tensor([1.0, factor, factor])

    def _descend(self, origins: Tensor, attempts: Tensor, parameters: Tensor, factor: int, rounds: int) -> Tensor:
        """Levenberg-Marquardt with forward differences, on pictures that are `factor` times smaller than the case;
        a step that does not help raises the damping."""
        unit = parameters.new_tensor([1.0, factor, factor])
        parameters, limits, steps = parameters / unit, self.limits.to(origins) / unit, (0.05, 0.02, 0.02)
        damping = torch.full((len(origins),), 1e-3).to(origins)
        rendered = self.render(origins, parameters)
        error = (rendered - attempts).flatten(1)
        for _ in range(rounds):
            columns = []
            for i, step in enumerate(steps):
                nudged = parameters.clone()
                nudged[:, i] += step
                columns.append((self.render(origins, nudged) - rendered).flatten(1) / step)
            slopes = torch.stack(columns, 2)  # batch, value, 3
            normal = slopes.mT @ slopes
            scale = normal.diagonal(dim1=1, dim2=2).clamp_min(1e-6)
            system = normal + torch.diag_embed(scale * damping[:, None] + 1e-9)
            move = torch.linalg.solve(system, slopes.mT @ error[:, :, None]).squeeze(2)
            moved = torch.minimum(torch.maximum(parameters - move, -limits), limits)
            trial = self.render(origins, moved)
            left = (trial - attempts).flatten(1)
            better = left.square().sum(1) < error.square().sum(1)
            settled = bool((left.abs().amax(1) <= self.tolerance / 2).all())
            parameters = torch.where(better[:, None], moved, parameters)
            if settled:
                break
            rendered = torch.where(better.view(-1, 1, 1, 1), trial, rendered)
            error = torch.where(better[:, None], left, error)
            damping = torch.where(better, damping * 0.2, damping * 8).clamp(1e-7, 1e4)
        return parameters * unit

    def check(self, cases: Cases) -> None:
        check_images(cases, self.low, self.high)

    def describe(self) -> str:
        return f"rotation <= {self.degrees:g} degrees, shift <= {self.pixels:g} pixels"


@dataclass(frozen=True)
class Corruption(ThreatModel):
    """Twelve kinds of natural corruption up to a severity; severity 0, the case itself, is among them.

    The draws (noise, direction, place) belong to the threat and to the case's id, as in a published set of corrupted
    images: every attack and every model meets the same ones, and an attempt is verified by making it again.

    Args:
        severity: 0 to 5.
        draw: another number is another set of draws.
        low, high: bounds of the box.

    Raises:
        InvalidSpec: for another severity or an empty box.
    """

    severity: int = 5
    draw: int = 0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.severity not in range(SEVERITIES + 1):
            raise InvalidSpec(f"severity must be a whole number from 0 to {SEVERITIES}; got {self.severity!r}.")
        _check_box(self.low, self.high)

    def render(self, cases: Cases, kind: str, severity: int) -> Tensor:
        """The cases under one kind at one severity, in the cases' shape."""
        stream = Seed(self.draw).child("corruption", kind).stream(cases.ids, cases.inputs.device)
        span = self.high - self.low
        return corrupt(kind, (cases.inputs - self.low) / span, severity, stream) * span + self.low

    def admits(self, cases: Cases, attempts: Tensor) -> Tensor:
        close = 1e-4 * (self.high - self.low)
        admitted = _distance(attempts, cases.inputs) <= close
        for severity in range(self.severity, 0, -1):
            for kind in KINDS:
                left = (~admitted).nonzero().squeeze(1)
                if len(left) == 0:
                    return admitted
                admitted[left] = _distance(self.render(cases[left], kind, severity), attempts[left]) <= close
        return admitted

    def check(self, cases: Cases) -> None:
        check_images(cases, self.low, self.high)

    def describe(self) -> str:
        return f"natural corruption of severity <= {self.severity}"


def check_images(cases: Cases, low: float, high: float) -> None:
    """Raises InvalidCases unless the inputs are finite images inside the box."""
    inputs = cases.inputs
    if inputs.ndim != 4:
        raise InvalidCases(
            f"this threat needs images of shape (batch, channel, height, width); got {tuple(inputs.shape)}. "
            "Reshape the inputs, or use an LpBall, which takes any shape."
        )
    if not bool(torch.isfinite(inputs).all()):
        bad = int((~torch.isfinite(inputs).flatten(1).all(1)).nonzero()[0])
        raise InvalidCases(f"inputs must be finite; case {cases.ids[bad]} holds NaN or infinity. Clean the data.")
    inside = within_box(inputs, low, high)
    if not bool(inside.all()):
        bad = int((~inside).nonzero()[0])
        raise InvalidCases(
            f"inputs must lie in the threat's box ([{low:g}, {high:g}]); case {cases.ids[bad]} spans "
            f"[{float(inputs[bad].min()):g}, {float(inputs[bad].max()):g}]. Scale the data or set low and high."
        )


def within_box(images: Tensor, low: float, high: float) -> Tensor:
    """Bool, shape (batch,): whether every value lies in the box."""
    return ((images >= low - 1e-6) & (images <= high + 1e-6)).flatten(1).all(1)


def enclosing_square(changed: Tensor) -> Tensor:
    """Side of the smallest square of any orientation around the centres of the marked pixels, shape (batch,).

    Args:
        changed: bool, shape (batch, height, width); -inf comes back where nothing is marked.
    """
    points, there = _outline(changed)
    angles = torch.arange(_ANGLES, device=changed.device) * (math.pi / 2 / _ANGLES)
    least = torch.full((len(changed),), torch.inf, device=changed.device)
    for angle in angles:
        sides = extents(points, there, angle.expand(len(changed)))
        least = torch.minimum(least, sides.amax(1))
    return least


def extents(points: Tensor, there: Tensor, angle: Tensor) -> Tensor:
    """Width and height of the box around points, turned by an angle per case in radians, shape (batch, 2).

    Args:
        points: shape (batch, point, 2).
        there: bool, shape (batch, point): which of them count.
    """
    cos, sin = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    x, y = points.unbind(2)
    along = torch.stack([cos * x + sin * y, cos * y - sin * x], 2)
    most = along.masked_fill(~there[:, :, None], -torch.inf).amax(1)
    least = along.masked_fill(~there[:, :, None], torch.inf).amin(1)
    return most - least


def _outline(changed: Tensor) -> tuple[Tensor, Tensor]:
    """First and last marked pixel of each row as (x, y), shape (batch, 2 * height, 2), and whether there is one."""
    height, width = changed.shape[1:]
    columns = torch.arange(width, device=changed.device)
    first = torch.where(changed, columns, width).amin(2)
    last = torch.where(changed, columns, -1).amax(2)
    rows = torch.arange(height, device=changed.device).expand_as(first)
    points = torch.stack([torch.cat([first, last], 1), torch.cat([rows, rows], 1)], 2).float()
    return points, changed.any(2).repeat(1, 2)


def _turn(images: Tensor, parameters: Tensor) -> Tensor:
    """Images under (degrees clockwise, pixels right, pixels down), shape (batch, 3); zeros come into view."""
    height, width = images.shape[2:]
    angle, right, down = torch.deg2rad(parameters[:, 0]), parameters[:, 1], parameters[:, 2]
    cos, sin = torch.cos(angle), torch.sin(angle)
    first = torch.stack([cos, sin * height / width, -(cos * right + sin * down) * 2 / width], 1)
    second = torch.stack([-sin * width / height, cos, (sin * right - cos * down) * 2 / height], 1)
    grid = functional.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _axis(limit: float, step: float) -> Tensor:
    """Points from -limit to limit, at most a step apart, zero among them."""
    count = math.ceil(limit / step)
    return torch.linspace(-limit, limit, 2 * count + 1)


def _pooling(images: Tensor) -> int:
    return max(1, min(images.shape[2:]) // _COARSE_SIDE)


def _blur(images: Tensor, factor: int) -> Tensor:
    """Shrunk by the factor, then softened over 3 x 3."""
    small = functional.avg_pool2d(images, factor)
    return functional.avg_pool2d(functional.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _distance(images: Tensor, others: Tensor) -> Tensor:
    return (images - others).flatten(1).abs().amax(1)


def _check_box(low: float, high: float) -> None:
    if not low < high:
        raise InvalidSpec(f"the box is empty: low {low} must be below high {high}.")
