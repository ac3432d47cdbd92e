"""Training with the usual augmentation: random shifts, rotations, noise, and flips where they keep the label."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class Augmented(Training):
    """Minimises cross-entropy on randomly shifted, rotated and noisy images.

    Paper: none; common practice.
    Differs: shift, rotation and noise are drawn by case, all within one bilinear resampling, and zeros come in at the
    edges; the result is clamped to the range that the batch had.
    Cost per case and epoch: 3 forwards.

    Args:
        shift: largest shift as a share of height and width.
        rotation: largest rotation in degrees.
        noise: standard deviation of Gaussian noise in input units.
        flip: mirror left and right with chance one half; wrong for digits and text.
    """

    shift: float = 0.1
    rotation: float = 15.0
    noise: float = 0.05
    flip: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.shift, self.rotation, self.noise) < 0:
            raise InvalidSpec(
                f"shift, rotation and noise must not be negative; got {self.shift}, {self.rotation} and {self.noise}."
            )

    @property
    def families(self) -> tuple[str, ...]:
        """What it draws at random, an attack may search: such attacks are not held out from this training."""
        shown = {"geometric": self.shift > 0 or self.rotation > 0, "noise": self.noise > 0}
        return tuple(family for family, used in shown.items() if used)

    def perturb(self, batch: Batch) -> Tensor:
        images = batch.inputs
        if images.ndim != 4:
            raise Incompatible(
                f"{self.name} needs images of shape (batch, channel, height, width); got {tuple(images.shape)}."
            )
        low, high = images.amin(), images.amax()
        draws = batch.stream.uniform((4,)) * 2 - 1
        angle = draws[:, 0] * math.radians(self.rotation)
        mirror = torch.where(draws[:, 3] < 0, -1.0, 1.0) if self.flip else torch.ones_like(angle)
        cosine, sine = angle.cos(), angle.sin()
        # affine_grid counts in half-widths, so a share of the width is twice as much
        rows = [
            cosine * mirror,
            -sine,
            draws[:, 1] * 2 * self.shift,
            sine * mirror,
            cosine,
            draws[:, 2] * 2 * self.shift,
        ]
        grid = functional.affine_grid(torch.stack(rows, 1).reshape(-1, 2, 3), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images, grid, align_corners=False)
        noisy = moved + self.noise * batch.stream.normal(tuple(images.shape[1:]), 1)
        return torch.clamp(noisy, low, high)
