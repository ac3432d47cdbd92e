"""Projected gradient descent: step uphill on the goal's loss, return to the allowed set, repeat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.core.attack import Attempts, InnerAttack
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Goals
from sparring.core.seed import Seed, Stream
from sparring.core.target import Differentiable, Target
from sparring.core.threat import Projectable

_DROP_SHARE = 0.25  # compact the batch once this share of it has been fooled


@dataclass(frozen=True)
class PGD(InnerAttack[Differentiable, Cases, Projectable]):
    """First-order search inside the threat set, keeping each case's best attempt.

    Paper: Madry et al., 2018, arXiv:1706.06083, section 2.1.
    Differs: the step is a fraction of the radius, so one setting serves every radius; the loss goes over to a
    logit margin where cross-entropy has saturated; fooled cases leave the batch, which changes no verdict.
    Cost per case: `restarts * (steps + 1)` forwards and `restarts * steps` input-backwards.

    Args:
        steps: gradient steps per restart.
        step_size: step length / threat radius (0.1 is a tenth of the ball); None for 2.5 / steps.
        restarts: independent random starts.

    Raises:
        InvalidSpec: if `steps` or `restarts` is below 1, or `step_size` is not positive.
    """

    family = "gradient"
    steps: int = 40
    step_size: float | None = None
    restarts: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1:
            raise InvalidSpec(f"PGD needs steps and restarts of 1 or more; got {self.steps} and {self.restarts}.")
        if self.step_size is not None and not self.step_size > 0:
            raise InvalidSpec(f"PGD needs a positive step_size; got {self.step_size}.")

    def cost(self, target: Target) -> int:
        return self.restarts * (self.steps + 1)

    def search(self, target: Differentiable, cases: Cases, threat: Projectable, seed: Seed) -> Attempts:
        region = threat.around(cases.inputs)
        best = Best(cases.inputs)
        for restart in range(self.restarts):
            alive = best.alive()
            if len(alive) == 0:
                break
            stream = seed.child("pgd", restart).stream(cases.ids, cases.inputs.device)
            self._climb(target, cases.goals, region, stream, alive, best)
        return Attempts(best.inputs, best.found)

    def perturb(
        self, target: Differentiable, inputs: Tensor, goals: Goals, threat: Projectable, stream: Stream
    ) -> Tensor:
        region = threat.around(inputs)
        moved = region.sample(stream)
        for _ in range(self.steps):
            moved = self._step(moved, target.gradient(moved, goals.loss).gradient, region)
        return moved

    def _climb(
        self, target: Differentiable, goals: Goals, region: object, stream: Stream, alive: Tensor, best: "Best"
    ) -> None:
        goals, region, stream = goals[alive], region[alive], stream[alive]  # type: ignore[index]
        moved = region.sample(stream)
        for _ in range(self.steps):
            values, outputs, gradient = target.gradient(moved, goals.loss)
            fooled = best.offer(alive, moved, values, goals.reached(outputs))
            if fooled.sum() > _DROP_SHARE * len(alive):
                stay = (~fooled).nonzero().squeeze(1)
                if len(stay) == 0:
                    return
                alive, moved, gradient, goals, region = (
                    alive[stay], moved[stay], gradient[stay], goals[stay], region[stay],
                )  # fmt: skip
            moved = self._step(moved, gradient, region)
        outputs = target(moved)
        best.offer(alive, moved, goals.loss(outputs), goals.reached(outputs))

    def _step(self, moved: Tensor, gradient: Tensor, region: object) -> Tensor:
        size = self.step_size if self.step_size is not None else 2.5 / self.steps
        direction = region.steepest(gradient)  # type: ignore[attr-defined]
        return region.project_(moved.add_(direction.mul_(region.radius * size)))  # type: ignore[attr-defined]


class Best:
    """The best attempt on each case so far: the first that reached its goal, or else the highest loss."""

    def __init__(self, origins: Tensor) -> None:
        self.inputs = origins.clone()
        self.values = torch.full((len(origins),), -torch.inf, device=origins.device)
        self.found = torch.zeros(len(origins), dtype=torch.bool, device=origins.device)

    def alive(self) -> Tensor:
        """Positions of the cases that nothing has fooled yet."""
        return (~self.found).nonzero().squeeze(1)

    def offer(self, positions: Tensor, inputs: Tensor, values: Tensor, reached: Tensor) -> Tensor:
        """Keeps what is better; returns which of these cases are fooled, now or before, shape (positions,)."""
        values = torch.where(reached, torch.inf, values)
        better = (values > self.values[positions]).nonzero().squeeze(1)
        where = positions[better]
        self.inputs[where], self.values[where] = inputs[better], values[better]
        self.found[where] = reached[better]
        return self.found[positions]
