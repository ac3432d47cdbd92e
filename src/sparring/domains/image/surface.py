"""Things in the world that a sticker can be put on: where each picture shows them, in what light, and what is allowed."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.threat import ThreatModel
from sparring.domains.image.threat import check_images, extents, within_box

_ANGLES = 90  # orientations tried for an enclosing rectangle, a degree apart
_SLACK = 1.02  # the best of them is at most half a degree off: under 2 % for rectangles up to 2 : 1


@dataclass(frozen=True)
class Views:
    """How each picture shows the surface; sliceable like the batch.

    Args:
        homography: surface (u, v, 1) to pixel coordinates (x right, y down, 1), shape (batch, 3, 3).
        gain, offset: what the light makes of a colour, `colour * gain + offset`, shapes (batch, channel), (batch, 1).
    """

    homography: Tensor
    gain: Tensor
    offset: Tensor

    def __getitem__(self, index: Tensor | slice) -> "Views":
        return Views(self.homography[index], self.gain[index], self.offset[index])

    def __len__(self) -> int:
        return len(self.homography)

    def coordinates(self, height: int, width: int) -> Tensor:
        """Surface coordinates of every pixel's centre, shape (batch, height, width, 2)."""
        rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        pixels = torch.stack([columns, rows, torch.ones_like(rows)], 2).to(self.homography)
        back = torch.linalg.inv(self.homography)
        points = torch.einsum("bij,hwj->bhwi", back, pixels)
        return points[..., :2] / points[..., 2:]


@dataclass(frozen=True)
class Prints:
    """Stickers: where they are on a surface, and what is on them.

    Args:
        places: u, v, half width, half height, turn in radians, shape (sticker, 5); or (batch, sticker, 5) for others
            on each picture.
        texture: shape (sticker, channel, row, column); or (batch, sticker, channel, row, column).
    """

    places: Tensor
    texture: Tensor


def paste(
    inputs: Tensor, views: Views, prints: Prints, low: float = 0.0, high: float = 1.0, points: Tensor | None = None
) -> Tensor:
    """The pictures with stickers on the surface, in each picture's pose and light, differentiable in the texture.

    A pixel is a sticker's if its centre is; all others keep their exact values.

    Args:
        inputs: shape (batch, channel, height, width).
        views: one per picture.
        low, high: bounds of the box.
        points: `views.coordinates(height, width)`, if the caller has them.
    """
    device, batch = inputs.device, len(inputs)
    points = (views.coordinates(*inputs.shape[2:]) if points is None else points).to(device)
    places, texture = prints.places.to(device), prints.texture.to(device)
    places = places if places.ndim == 3 else places.expand(batch, *places.shape)
    texture = texture if texture.ndim == 5 else texture.expand(batch, *texture.shape)
    gain, offset = views.gain.to(device)[:, :, None, None], views.offset.to(device)[:, :, None, None]
    for place, pattern in zip(places.unbind(1), texture.unbind(1), strict=True):
        u, v, half_width, half_height, turn = place.reshape(-1, 5, 1, 1).unbind(1)
        x, y = points[..., 0] - u, points[..., 1] - v
        across, along = turn.cos() * x + turn.sin() * y, turn.cos() * y - turn.sin() * x
        local = torch.stack([across / half_width, along / half_height], 3)
        inside = (local.abs() <= 1).all(3)
        colour = functional.grid_sample(pattern, local.clamp(-1, 1), padding_mode="border", align_corners=False)
        inputs = torch.where(inside[:, None], (colour * gain + offset).clamp(low, high), inputs)
    return inputs


class Surface(ABC):
    """A flat face with coordinates (u, v) in [-1, 1], u to the right and v down."""

    @property
    @abstractmethod
    def area(self) -> float:
        """Of the face, in units of (u, v)."""

    @abstractmethod
    def views(self, ids: Sequence[str], shape: Sequence[int]) -> Views:
        """How the pictures with these ids, of shape (channel, height, width), show the face."""

    @abstractmethod
    def on_face(self, points: Tensor) -> Tensor:
        """Bool, shape (...): whether points (..., 2) lie on the face."""


@dataclass(frozen=True)
class WholeImage(Surface):
    """The picture itself, seen straight and in plain light."""

    @property
    def area(self) -> float:
        return 4.0

    def views(self, ids: Sequence[str], shape: Sequence[int]) -> Views:
        channels, height, width = shape
        plain = torch.tensor([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]])
        return Views(plain.expand(len(ids), 3, 3), torch.ones(len(ids), channels), torch.zeros(len(ids), 1))

    def on_face(self, points: Tensor) -> Tensor:
        return (points.abs() <= 1).all(-1)


@dataclass(frozen=True)
class OnSurface(ThreatModel):
    """A few rectangular stickers on a surface, small together; all else stays as it is.

    A pixel belongs to a sticker if its centre does. Verified in the surface's own coordinates: each connected group of
    changed pixels lies on the face, there are no more groups than stickers, and the smallest rectangles around them
    are together no larger than allowed (to within 2 %). Touching stickers count as one.

    Args:
        area: all stickers together as a share of the face, 0 to 1.
        count: most stickers.
        surface: where they go.
        low, high: bounds of the box.

    Raises:
        InvalidSpec: for an area outside [0, 1], a count below 1 or an empty box.
    """

    area: float = 0.05
    count: int = 3
    surface: Surface = field(default_factory=WholeImage)
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.area <= 1:
            raise InvalidSpec(f"stickers cover a share of the surface between 0 and 1; got area {self.area}.")
        if self.count < 1:
            raise InvalidSpec(f"there must be 1 sticker or more; got count {self.count}.")
        if not self.low < self.high:
            raise InvalidSpec(f"the box is empty: low {self.low} must be below high {self.high}.")

    def admits(self, cases: Cases, attempts: Tensor) -> Tensor:
        changed = (attempts != cases.inputs).any(1)
        points = self.surface.views(cases.ids, cases.inputs.shape[1:]).coordinates(*changed.shape[1:])
        points = points.to(changed.device)
        on_face = (self.surface.on_face(points) | ~changed).flatten(1).all(1)
        groups, areas = _rectangles(changed, points)
        small = areas <= self.area * self.surface.area * _SLACK + 1e-6
        return on_face & (groups <= self.count) & small & within_box(attempts, self.low, self.high)

    def check(self, cases: Cases) -> None:
        check_images(cases, self.low, self.high)

    def describe(self) -> str:
        return f"{self.count} stickers on at most {100 * self.area:g} % of the {type(self.surface).__name__}"


def _rectangles(changed: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Number of connected groups of marked pixels and the summed area of the rectangles around them, shape (batch,)."""
    from scipy.ndimage import label

    near = torch.zeros(3, 3, 3, dtype=torch.bool)
    near[1] = True  # all eight neighbours, within one picture
    marked, count = label(changed.cpu().numpy(), structure=near.numpy())
    groups, areas = torch.zeros(len(changed)), torch.zeros(len(changed))
    if count == 0:
        return groups.to(changed.device), areas.to(changed.device)
    labels = torch.from_numpy(marked).reshape(-1)
    where = labels.nonzero().squeeze(1)
    where = where[labels[where].argsort(stable=True)]
    sizes = labels[where].bincount(minlength=count + 1)[1:]
    padded = torch.zeros(count, int(sizes.max()), 2)
    there = torch.arange(padded.shape[1]) < sizes[:, None]
    padded[there] = points.reshape(-1, 2).cpu()[where]
    least = torch.full((count,), torch.inf)
    for step in range(_ANGLES):
        angle = torch.full((count,), step * math.pi / 2 / _ANGLES)
        least = torch.minimum(least, extents(padded, there, angle).prod(1))
    firsts = where[sizes.cumsum(0) - sizes] // changed[0].numel()
    groups.index_add_(0, firsts, torch.ones(count))
    areas.index_add_(0, firsts, least)
    return groups.to(changed.device), areas.to(changed.device)
