"""An opponent: weights that learn beside a learner's own, with an optimiser and a schedule of their own."""

import math
from typing import Any

import torch
from torch import nn

from sparring.core.errors import Diverged
from sparring.core.schedule import Schedule


class Opponent:
    """The second player of a training with two; the first is the learner's module.

    Args:
        module: the weights.
        schedule: optimiser and learning rate; its batch size is the learner's.
        name: for errors.
    """

    def __init__(self, module: nn.Module, schedule: Schedule, name: str) -> None:
        self.module, self.schedule, self.name = module, schedule, name
        self.optimiser = schedule.optimiser_of(module)

    def step(self, done: float) -> None:
        """One optimiser step on the gradients that are there, and none are left.

        Args:
            done: share of the training that lies behind when the step is taken, in (0, 1].

        Raises:
            Diverged: if the gradients are not finite.
        """
        weights = list(self.module.parameters())
        limit = math.inf if self.schedule.clip is None else self.schedule.clip
        if not bool(torch.isfinite(nn.utils.clip_grad_norm_(weights, limit))):
            raise Diverged(
                f"{self.name}: the gradients stopped being finite. One of the two players diverged: lower the peak of the "
                f"training's schedule, or this one's (now {self.schedule.peak:g}), or set its clip (now "
                f"{self.schedule.clip}); with a workspace the last good state is kept."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(done)
        self.optimiser.step()
        self.optimiser.zero_grad()

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {"weights": self.module.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
        self.module.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
