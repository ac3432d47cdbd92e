"""Road signs drawn by code: eight signs under varied pose, light and background; nothing is downloaded."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.goal import ClassifyAmong, Misclassify
from sparring.core.seed import Seed, Stream
from sparring.domains.image.surface import Surface, Views

SIGNS = (
    "stop", "speed limit 30", "speed limit 50", "speed limit 80", "yield", "no entry", "priority road", "ahead only",
)  # fmt: skip
SIZE = 48  # pixels of a picture's side

_FACE = 160  # pixels of a drawn face's side
_OVERSAMPLING = 2
_RIM = 0.96  # half width of a face in its own coordinates
_DISTANCE = 4.0  # of the camera, in half widths of the sign
_WORN = 0.65  # most that a face's paint has faded towards grey
_RED, _BLUE, _YELLOW = (190, 22, 34), (20, 78, 160), (250, 196, 20)
_WHITE, _BLACK = (246, 246, 242), (22, 22, 24)


def road_signs(split: str, count: int, *, sign: str | None = None) -> Cases:
    """Colour pictures of signs, shape (batch, 3, 48, 48) in [0, 1]; each is fixed by its id on every machine.

    Varied: yaw to 35 degrees, pitch to 15, roll to 10, distance, place; gain, colour cast, veil, faded paint, softness,
    noise; sky, ground, buildings, pole. A thousand take about a second.

    Args:
        split: "train", "validation" or "test"; they share no picture.
        count: how many.
        sign: one of `SIGNS` for that one alone; None for all in turn.

    Raises:
        InvalidCases: for another split or sign, or a count below 1.
    """
    if split not in ("train", "validation", "test"):
        raise InvalidCases(f"split must be one of train, validation, test; got {split!r}.")
    if sign is not None and sign not in SIGNS:
        raise InvalidCases(f"sign must be one of {', '.join(SIGNS)}; got {sign!r}.")
    if count < 1:
        raise InvalidCases(f"there must be 1 picture or more; got count {count}.")
    labels = torch.arange(count) % len(SIGNS) if sign is None else torch.full((count,), SIGNS.index(sign))
    ids = [f"road-signs/{split}/{SIGNS[int(label)]}/{i}" for i, label in enumerate(labels)]
    inputs = torch.cat([draw(ids[i : i + 128], labels[i : i + 128]) for i in range(0, count, 128)])
    return Cases(ids, inputs, Misclassify(labels), f"road-signs-{split}")


def stop_signs(split: str, count: int) -> Cases:
    """Views of stop signs that an adversary wants to be read as any speed limit; as `road_signs` otherwise."""
    cases = road_signs(split, count, sign="stop")
    wanted = tuple(i for i, sign in enumerate(SIGNS) if sign.startswith("speed limit"))
    return replace(cases, goals=ClassifyAmong(wanted, cases.goals.labels), name=f"stop-signs-{split}")


def views(ids: Sequence[str], size: int = SIZE) -> Views:
    """How each picture shows its sign; the face's own coordinates run from -1 to 1."""
    drawn = _stream(ids).uniform((12,), at=0)
    spread = 2 * drawn - 1
    yaw, pitch, roll = (torch.deg2rad(spread[:, i] * most) for i, most in enumerate((35.0, 15.0, 10.0)))
    half = size * (0.31 + 0.12 * drawn[:, 3])
    centre = size * (0.5 + 0.06 * spread[:, 4:6])
    turn = _rotation(yaw, pitch, roll)
    depth = torch.stack([turn[:, 2, 0] / _DISTANCE, turn[:, 2, 1] / _DISTANCE, torch.ones(len(ids))], 1)
    flat = torch.cat([turn[:, :2, :2], torch.zeros(len(ids), 2, 1)], 2)
    rows = half[:, None, None] * flat + centre[:, :, None] * depth[:, None, :]
    gain = (0.6 + 0.5 * drawn[:, 6:7]) * (1 + 0.10 * spread[:, 7:10])
    return Views(torch.cat([rows, depth[:, None]], 1), gain, 0.10 * drawn[:, 10:11] ** 2)


@dataclass(frozen=True)
class StopFace(Surface):
    """The octagon of a stop sign, in pictures by `road_signs`."""

    @property
    def area(self) -> float:
        return 8 * (math.sqrt(2) - 1) * _RIM**2

    def views(self, ids: Sequence[str], shape: Sequence[int]) -> Views:
        return views(ids, shape[-1])

    def on_face(self, points: Tensor) -> Tensor:
        u, v = points.abs().unbind(-1)
        return (u <= _RIM) & (v <= _RIM) & (u + v <= _RIM * math.sqrt(2))


def draw(ids: Sequence[str], labels: Tensor, size: int = SIZE) -> Tensor:
    """The pictures with these ids, shape (batch, 3, size, size)."""
    fine = size * _OVERSAMPLING
    seen = views(ids, size)
    scaled = seen.homography.clone()
    scaled[:, :2] *= _OVERSAMPLING
    points = Views(scaled, seen.gain, seen.offset).coordinates(fine, fine)
    sampled = functional.grid_sample(_faces()[labels], points, align_corners=False)
    colour, cover = sampled[:, :3], sampled[:, 3:]
    worn = _WORN * _stream(ids).uniform((1, 1, 1), at=7)
    colour = colour + worn * (0.72 * cover - colour)
    scene = _background(ids, fine)
    scene = _pole(scene, scaled)
    picture = functional.avg_pool2d(scene * (1 - cover) + colour, _OVERSAMPLING)
    lit = picture * seen.gain[:, :, None, None] + seen.offset[:, :, None, None]
    stream = _stream(ids)
    softness = 0.5 * stream.uniform((1, 1, 1), at=1)
    soft = functional.avg_pool2d(functional.pad(lit, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = 0.02 * stream.normal((3, size, size), at=2)
    return (lit + softness * (soft - lit) + noise).clamp_(0.0, 1.0)


def _stream(ids: Sequence[str]) -> Stream:
    return Seed(0).child("road signs").stream(ids)


def _rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Rotation matrices, shape (batch, 3, 3): roll in the picture's plane, then pitch, then yaw."""
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*values: Tensor) -> Tensor:
        return torch.stack(values, 1).reshape(-1, 3, 3)

    about_y = matrix(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
    about_x = matrix(one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos())
    about_z = matrix(roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one)
    return about_y @ about_x @ about_z


def _background(ids: Sequence[str], size: int) -> Tensor:
    """Sky over ground, blurred shapes and a few walls, shape (batch, 3, size, size)."""
    stream = _stream(ids)
    drawn = stream.uniform((2, 3), at=3)
    sky = (0.45 + 0.5 * _greyed(drawn[:, 0]))[:, :, None, None]
    ground = (0.15 + 0.45 * _greyed(drawn[:, 1]))[:, :, None, None]
    horizon = 0.45 + 0.3 * stream.uniform((1, 1, 1), at=4)
    height = torch.linspace(0, 1, size).view(1, 1, size, 1)
    blend = ((height - horizon) * 12).sigmoid()
    coarse = functional.interpolate(_greyed(stream.uniform((3, 6, 6), at=5)), (size, size), mode="bilinear")
    scene = sky * (1 - blend) + ground * blend + 0.35 * (coarse - 0.5)
    walls = stream.uniform((4, 7), at=6)
    x = torch.linspace(0, 1, size).view(1, 1, size)
    y = torch.linspace(0, 1, size).view(1, size, 1)
    for wall in walls.unbind(1):
        left, top, width, tall = wall[:, 0:4].view(-1, 4, 1, 1).unbind(1)
        inside = ((x - left).abs() < 0.05 + 0.15 * width) & ((y - top).abs() < 0.05 + 0.25 * tall)
        scene = torch.where(inside[:, None], 0.1 + 0.8 * _greyed(wall[:, 4:7])[:, :, None, None], scene)
    return scene.clamp(0, 1)


def _greyed(colours: Tensor) -> Tensor:
    """Colours, shape (batch, 3, ...), drawn towards their own grey, as a landscape is."""
    return 0.4 * colours + 0.6 * colours.mean(1, keepdim=True)


def _pole(scene: Tensor, homography: Tensor) -> Tensor:
    """A grey pole from the sign's middle downwards."""
    size = scene.shape[3]
    middle = homography[:, :2, 2]
    x, y = torch.arange(size).view(1, 1, size) + 0.5, torch.arange(size).view(1, size, 1) + 0.5
    inside = ((x - middle[:, 0, None, None]).abs() < size * 0.025) & (y > middle[:, 1, None, None])
    return torch.where(inside[:, None], torch.tensor(0.5), scene)


@functools.cache
def _faces() -> Tensor:
    """All faces as premultiplied colour and cover, shape (sign, 4, side, side) in [0, 1]."""
    from PIL import Image

    large = [_draw_face(sign, 4 * _FACE).resize((_FACE, _FACE), Image.Resampling.LANCZOS) for sign in SIGNS]
    pixels = torch.from_numpy(np.stack([np.asarray(face) for face in large])).permute(0, 3, 1, 2).float() / 255
    return torch.cat([pixels[:, :3] * pixels[:, 3:], pixels[:, 3:]], 1)


def _draw_face(sign: str, side: int):  # type: ignore[no-untyped-def]
    """One sign as an RGBA picture, side x side pixels."""
    from PIL import Image, ImageDraw, ImageFont

    face = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(face)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((u + 1) * side / 2, (v + 1) * side / 2) for u, v in points]

    def disc(radius: float, colour: tuple[int, int, int]) -> None:
        pen.ellipse([*at((-radius, -radius))[0], *at((radius, radius))[0]], fill=colour)

    def polygon(corners: int, radius: float, start: float, colour: tuple[int, int, int]) -> None:
        angles = [math.radians(start + 360 * i / corners) for i in range(corners)]
        pen.polygon(at(*[(radius * math.cos(a), radius * math.sin(a)) for a in angles]), fill=colour)

    def write(text: str, height: float, colour: tuple[int, int, int]) -> None:
        font = ImageFont.load_default(height * side / 2)
        pen.text(at((0, 0))[0], text, colour, font, anchor="mm", stroke_width=side * 0.012, stroke_fill=colour)

    if sign == "stop":
        corner = _RIM / math.cos(math.pi / 8)
        polygon(8, corner, 22.5, _WHITE)
        polygon(8, corner * 0.93, 22.5, _RED)
        write("STOP", 0.70, _WHITE)
    elif sign.startswith("speed limit"):
        disc(_RIM, _RED)
        disc(_RIM * 0.78, _WHITE)
        write(sign.rpartition(" ")[2], 1.02, _BLACK)
    elif sign == "yield":
        polygon(3, 1.14, 90, _RED)
        polygon(3, 0.70, 90, _WHITE)
    elif sign == "no entry":
        disc(_RIM, _WHITE)
        disc(_RIM * 0.94, _RED)
        pen.rectangle([*at((-0.66, -0.17))[0], *at((0.66, 0.17))[0]], fill=_WHITE)
    elif sign == "priority road":
        polygon(4, 0.98, 0, _WHITE)
        polygon(4, 0.66, 0, _YELLOW)
    else:
        disc(_RIM, _BLUE)
        pen.rectangle([*at((-0.11, -0.2))[0], *at((0.11, 0.68))[0]], fill=_WHITE)
        pen.polygon(at((0, -0.72), (-0.44, -0.12), (0.44, -0.12)), fill=_WHITE)
    return face
