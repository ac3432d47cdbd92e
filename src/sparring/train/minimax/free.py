"""Free adversarial training: one backward pass moves the weights and the inputs together."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sparring.core.errors import InvalidSpec
from sparring.core.threat import Projectable
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class Free(Training):
    """Trains on each batch several times; the change of the inputs rides on the gradients of the weights.

    Paper: Shafahi et al., 2019, arXiv:1904.12843, algorithm 1.
    Differs: any norm. As in the paper the change is carried on to the next batch, place by place, and the input's
    gradient comes from the training forward, in training mode; so results depend on the batch size.
    Cost per case and epoch: 3 forwards; the input's gradient is a by-product of the weights'. `epochs` counts visits
    to each case, so the data is dealt `epochs // replays` times.

    Args:
        threat: what the adversary may do.
        replays: optimiser steps on each batch (the paper's m).
    """

    threat: Projectable = field()
    replays: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replays < 1:
            raise InvalidSpec(f"Free needs 1 replay or more; got {self.replays}.")
        if self.epochs % self.replays:
            raise InvalidSpec(f"Free needs epochs that its replays divide; got {self.epochs} and {self.replays}.")

    @property
    def repeats(self) -> int:
        return self.replays

    def perturb(self, batch: Batch) -> Tensor:
        change = batch.memory.get("change")
        if change is None or len(change) < len(batch.inputs):
            fresh = torch.zeros_like(batch.inputs)
            batch.memory["change"] = fresh if change is None else torch.cat([change, fresh[len(change) :]])
        moved = batch.inputs + batch.memory["change"][: len(batch.inputs)]
        return batch.threat.around(batch.inputs).project_(moved).requires_grad_()

    def after(self, batch: Batch, moved: Tensor) -> None:
        assert moved.grad is not None
        region = batch.threat.around(batch.inputs)
        step = region.steepest(moved.grad.clone()) * batch.threat.radius
        change = region.project_(moved.detach() + step) - batch.inputs
        batch.memory["change"][: len(batch.inputs)] = change
