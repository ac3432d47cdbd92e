"""Generators: nets that write a change of an image, paint an image of a class, or clean an image; of any size."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparring.core.ball import LpBall, lp_norm
from sparring.core.errors import Incompatible, InvalidCases
from sparring.core.seed import Seed

_STEEP = 2.0  # slope of the tanh: 40 % of the pixels of a random change end within 5 % of the radius


class Perturber(nn.Module):
    """Writes one change for each image in a single pass: strided convolutions down, one residual block, and up again.

    What comes out of the last layer is standardised over the image before it is squashed. Without that, every change
    runs to the same corner of the ball within some fifty steps, and its gradient with it.

    Args:
        channels: of the images.
        classes: that a change may aim at.
        width: channels of the thinnest layer.
        norm: "inf", 2 or 1; no change is longer than 1 in it.
        hints: channels that it is shown beside the image, such as those of a gradient.
    """

    def __init__(self, channels: int, classes: int, width: int, norm: str | int, hints: int = 0) -> None:
        super().__init__()
        self.channels, self.norm = channels, norm
        self.body = _Hourglass(channels + hints, channels, width)
        self.aim = nn.Embedding(classes, 4 * width)

    def forward(self, images: Tensor, aims: Tensor, hints: Tensor | None = None) -> Tensor:
        """Changes of at most unit length, in the images' shape.

        Args:
            images: in [0, 1], shape (batch, channel, height, width).
            aims: int64, shape (batch,): the class wanted, or the class to leave.
            hints: in [0, 1], shape (batch, hint, height, width).
        """
        seen = images if hints is None else torch.cat([images, hints], 1)
        drawn = self.body(seen, 0.5 * self.aim(aims)).flatten(1)
        flat = (drawn - drawn.mean(1, keepdim=True)) / (drawn.std(1, keepdim=True) + 1e-3)
        if self.norm == "inf":
            flat = torch.tanh(_STEEP * flat)
        else:
            flat = flat / lp_norm(flat, self.norm).clamp_min(1e-12)[:, None]
        return flat.reshape(images.shape)


class Cleaner(nn.Module):
    """Gives back each image without what an attacker added: the image and a correction, clipped to [0, 1].

    Args:
        channels: of the images.
        width: channels of the thinnest layer.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels, self.width = channels, width
        self.body = _Hourglass(channels, channels, width)
        for part in self.body.out.parameters():
            nn.init.zeros_(part)  # so that it starts as the identity

    def forward(self, images: Tensor) -> Tensor:
        """Images in [0, 1], in the shape that came."""
        return (images + self.body(images)).clamp(0, 1)


class Painter(nn.Module):
    """Paints images of a class from random numbers.

    Paper: Radford et al., 2016, arXiv:1511.06434 (transposed convolutions from a small grid); nearest-neighbour steps
    instead, which leave no checkerboard (Odena et al., 2016, distill.pub).

    Args:
        shape: channel, height and width of an image.
        classes: to choose from.
        width: channels at full size.
        noise: how many random numbers an image is painted from.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 16, noise: int = 64) -> None:
        super().__init__()
        self.shape, self.noise, self.width = shape, noise, width
        self.grid = tuple(math.ceil(side / 4) for side in shape[1:])
        self.aim = nn.Embedding(classes, noise)
        self.first = nn.Linear(2 * noise, 4 * width * math.prod(self.grid))
        self.second = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.third = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, shape[0], 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(many * width) for many in (4, 2, 1))

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images in [0, 1], shape (batch, channel, height, width).

        Args:
            noise: standard normal, shape (batch, noise).
            labels: int64, shape (batch,).
        """
        drawn = self.first(torch.cat([noise, self.aim(labels)], 1)).reshape(-1, 4 * self.width, *self.grid)
        drawn = functional.relu(self.norms[0](drawn))
        for layer, norm in ((self.second, self.norms[1]), (self.third, self.norms[2])):
            drawn = functional.relu(norm(layer(functional.interpolate(drawn, scale_factor=2.0))))
        height, width = self.shape[1:]
        return torch.sigmoid(self.out(drawn)[:, :, :height, :width])


class Critic(nn.Module):
    """Scores how much an image looks attacked or made up, shape (batch,): strided convolutions and their mean.

    Args:
        channels: of the images.
        width: channels of the thinnest layer.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels, self.width = channels, width
        self.body = nn.Sequential(
            nn.Conv2d(channels, 2 * width, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 4 * width, 3, 2, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = nn.Linear(8 * width, 1)

    def forward(self, images: Tensor) -> Tensor:
        found = self.body(images - 0.5).flatten(2)
        return self.head(torch.cat([found.mean(2), found.amax(2)], 1)).squeeze(1)


class _Hourglass(nn.Module):
    """Images in, images out: half the size, a quarter, and back; what the way down saw is added on the way up."""

    def __init__(self, channels: int, gives: int, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, 2 * width, 3, 2, 1)
        self.deep = nn.Conv2d(2 * width, 4 * width, 3, 2, 1)
        self.inner, self.outer = (nn.Conv2d(4 * width, 4 * width, 3, padding=1) for _ in range(2))
        self.up = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.out = nn.Conv2d(2 * width, 4 * gives, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(1, many * width) for many in (4, 2))

    def forward(self, images: Tensor, shift: Tensor | None = None) -> Tensor:
        half = functional.relu(self.wide(images - 0.5))
        quarter = self.norms[0](self.deep(half))
        if shift is not None:
            quarter = quarter + shift[:, :, None, None]
        quarter = functional.relu(quarter)
        quarter = quarter + self.outer(functional.relu(self.inner(quarter)))
        grown = functional.interpolate(functional.relu(quarter), size=half.shape[2:])
        grown = functional.relu(self.norms[1](self.up(grown)) + half)
        height, width = images.shape[2:]
        return functional.pixel_shuffle(self.out(grown), 2)[:, :, :height, :width]


def attempts_of(net: Perturber, inputs: Tensor, aims: Tensor, threat: LpBall, hints: Tensor | None = None) -> Tensor:
    """One attempt for each image, projected by the threat; gradients pass as if nothing had been cut off.

    So a pixel that sits at the edge of the box can still learn to move inwards.
    """
    region = threat.around(inputs)
    moved = inputs + region.radius * net(inputs, aims, hints)
    inside = region.project_(moved.detach().clone())
    return inside if not moved.requires_grad else moved + (inside - moved).detach()


def aims_of(goals: Any) -> Tensor:
    """The class that each case's adversary wants, or the label that it wants to leave, int64, shape (batch,).

    Raises:
        Incompatible: if the goals name neither.
    """
    for name in ("targets", "labels"):
        found = getattr(goals, name, None)
        if isinstance(found, Tensor):
            return found
    raise Incompatible(f"a generator needs goals with labels or targets; got {type(goals).__name__}.")


def seeded(seed: Seed, make: Callable[[], Any]) -> Any:
    """A net whose first weights follow from the seed; global generators stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed.value)
        return make()


def check_images(inputs: Any, owner: str) -> None:
    """Raises InvalidCases unless the inputs are images, which the convolutions of a generator need."""
    shape = tuple(getattr(inputs, "shape", ()))
    if len(shape) != 4 or min(shape[2:], default=0) < 4:
        raise InvalidCases(
            f"{owner} needs images of shape (batch, channel, height, width) with sides of 4 or more; got {shape}. "
            "A generator works on images alone."
        )
