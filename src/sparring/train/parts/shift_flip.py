"""Random shifts and mirror images, by case, before any attack: the augmentation that robust training can use."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.seed import Stream
from sparring.core.training import Part


@dataclass(frozen=True)
class ShiftFlip(Part):
    """Shifts each image by whole pixels, zeros coming in at the edges, and mirrors half of them.

    Paper: none; the "pad and crop, flip" of CIFAR-10 training.
    Differs: nothing.

    Args:
        pixels: largest shift, in each direction.
        flip: mirror left and right with chance one half; wrong for digits and text.
    """

    pixels: int = 2
    flip: bool = True

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise InvalidSpec(f"ShiftFlip needs pixels of 0 or more; got {self.pixels}.")

    def augment(self, inputs: Tensor, stream: Stream) -> Tensor:
        if inputs.ndim != 4:
            raise Incompatible(f"ShiftFlip needs images (batch, channel, height, width); got {tuple(inputs.shape)}.")
        count, _, height, width = inputs.shape
        device = inputs.device
        shifts = stream.integers(2 * self.pixels + 1, (2,))
        columns = torch.arange(width, device=device).expand(count, width)
        if self.flip:
            columns = torch.where(stream.uniform((1,), 1) < 0.5, width - 1 - columns, columns)
        rows = torch.arange(height, device=device) + shifts[:, :1]
        columns = columns + shifts[:, 1:]
        padded = functional.pad(inputs, [self.pixels] * 4)
        which = torch.arange(count, device=device)[:, None, None]
        chosen = padded[which, :, rows[:, :, None], columns[:, None, :]]  # (batch, height, width, channel)
        return chosen.permute(0, 3, 1, 2).contiguous()
