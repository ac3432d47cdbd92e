"""Sticker training: every sign in half of each batch wears stickers, printed to mislead the net as it is then."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Trainable
from sparring.core.training import Batch, Training, right
from sparring.domains.image.road_signs import StopFace
from sparring.domains.image.surface import Prints, Surface, paste

_BLOCK = 256


@dataclass(frozen=True)
class StickerTraining(Training):
    """Minimises cross-entropy on cases of which a share wears stickers at random places, printed by a few sign steps.

    Paper: adversarial training (Madry et al., 2018, arXiv:1706.06083, section 2) against stickers in the manner of
    Eykholt et al., 2018, arXiv:1707.08945; Wu et al., 2020, arXiv:1909.09552, train against rectangles likewise.
    Differs: places are drawn, not searched for; each case wears its own stickers, where the measured attack has one
    set for all views; the best epoch is chosen by accuracy with stickers on validation.
    Cost per case and epoch: `2 * steps * share + 3` forwards.

    Args:
        area: largest area of all stickers together, as a share of the surface; each case draws a third to all of it.
        count: stickers per case.
        steps: sign steps on the print of each case; 0 for random prints.
        cells: of the print, along each side of a sticker.
        share: of the cases that wear stickers.
        surface: where the stickers go; the cases' ids must be its own.

    Raises:
        InvalidSpec: for a setting outside its range.
    """

    area: float = 0.1
    count: int = 3
    steps: int = 2
    cells: int = 4
    share: float = 0.5
    surface: Surface = field(default_factory=StopFace)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.area <= 1 and 0 < self.share <= 1) or min(self.count, self.cells) < 1 or self.steps < 0:
            raise InvalidSpec(
                "sticker training needs area and share in (0, 1], count and cells of 1 or more, steps of 0 or more; "
                f"got {self.area}, {self.share}, {self.count}, {self.cells} and {self.steps}."
            )

    @property
    def families(self) -> tuple[str, ...]:
        return ("patch",)

    def perturb(self, batch: Batch) -> Tensor:
        wearing = (batch.stream.uniform((), at=0) < self.share).nonzero().squeeze(1)
        if len(wearing) == 0:
            return batch.inputs
        inputs, goals, stream = batch.inputs[wearing], batch.goals[wearing], batch.stream[wearing]
        views = self.surface.views([batch.ids[i] for i in wearing.tolist()], inputs.shape[1:])
        points = views.coordinates(*inputs.shape[2:])
        places = self._places(stream.uniform((self.count + 1, 5), at=1))
        texture = stream.uniform((self.count, inputs.shape[1], self.cells, self.cells), at=2)
        for _ in range(self.steps):
            with torch.enable_grad():
                leaf = texture.detach().requires_grad_()
                stuck = paste(inputs, views, Prints(places, leaf), points=points)
                gradient = batch.student.gradient(stuck.detach(), goals.loss).gradient
                (slope,) = torch.autograd.grad(stuck, leaf, gradient)
            texture = (texture + slope.sign() / self.steps).clamp(0, 1)
        moved = batch.inputs.clone()
        moved[wearing] = paste(inputs, views, Prints(places, texture), points=points)
        return moved

    def figures(self, student: Trainable, held: Cases, seed: Seed) -> dict[str, float]:
        """Accuracy on the cases as they are and with stickers on all of them; the latter chooses the epoch."""
        everyone = replace(self, share=1.0)
        right_clean = right_robust = 0
        for block in held.blocks(_BLOCK):
            stream = seed.stream(block.ids, block.inputs.device)
            index = torch.arange(len(block))
            batch = Batch(
                student, block.inputs, block.goals, block.goals.labels, None, stream, index, len(held), {}, block.ids
            )  # fmt: skip
            right_clean += int(right(student(block.inputs), batch.labels))
            right_robust += int(right(student(everyone.perturb(batch)), batch.labels))
        clean, robust = right_clean / len(held), right_robust / len(held)
        return {"val_clean": clean, "val_robust": robust, "score": robust, "tie": clean}

    def _places(self, drawn: Tensor) -> Tensor:
        """Places from uniform numbers of shape (batch, sticker + 1, 5), shape (batch, sticker, 5)."""
        size = (1 + 2 * drawn[:, :1, 0]) / 3 * self.area * self.surface.area / self.count / 4
        drawn = drawn[:, 1:]
        distance, around = 0.85 * drawn[..., 0].sqrt(), 2 * math.pi * drawn[..., 1]
        ratio = 2 ** (2 * drawn[..., 2] - 1)
        return torch.stack(
            [
                distance * around.cos(), distance * around.sin(),
                (size * ratio).sqrt(), (size / ratio).sqrt(), math.pi * drawn[..., 3],
            ],
            2,
        )  # fmt: skip
