"""Rotation and translation: the worst of a grid of poses, and of random ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.attack.physical.worst import badness, untouched_first
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Labelled, Target
from sparring.domains.image.threat import RotateTranslate

_BATCH = 256  # pictures asked in one forward


@dataclass(frozen=True)
class Spatial(Attack[Labelled, Cases, RotateTranslate]):
    """Turns and shifts each picture over a grid and at random, keeping what fools the target; labels are enough.

    Paper: Engstrom et al., 2019, arXiv:1712.02779, section 3 (grid search and worst of k; first-order search, which
    they find much weaker, is left out).
    Differs: grid and random draws are searched together; poses are tried from the widest to the mildest, and fooled
    cases leave the batch, which changes no verdict.
    Cost per case: at most `angles * shifts ** 2 + draws + 1` forwards.

    Args:
        angles: grid points from -degrees to degrees of the threat.
        shifts: grid points from -pixels to pixels of the threat, in each direction.
        draws: poses drawn uniformly from the threat's ranges, for each case its own.

    Raises:
        InvalidSpec: if nothing is to be tried, or a number is negative.
    """

    family = "geometric"
    angles: int = 31
    shifts: int = 5
    draws: int = 0

    def __post_init__(self) -> None:
        if min(self.angles, self.shifts, self.draws) < 0 or self._poses == 0:
            raise InvalidSpec(
                "Spatial needs angles and shifts of 1 or more, or draws of 1 or more; "
                f"got {self.angles}, {self.shifts} and {self.draws}."
            )

    @property
    def _poses(self) -> int:
        return self.angles * self.shifts**2 + self.draws

    def cost(self, target: Target) -> int:
        return self._poses + 1

    def search(self, target: Labelled, cases: Cases, threat: RotateTranslate, seed: Seed) -> Attempts:
        best = untouched_first(target, cases)
        poses = self._plan(cases, threat, seed)
        start = 0
        while start < self._poses and len(alive := best.alive()):
            count = max(1, _BATCH // len(alive))
            chosen = poses(alive, slice(start, start + count))  # alive, pose, 3
            count = chosen.shape[1]
            inputs = threat.render(cases.inputs[alive].repeat_interleave(count, 0), chosen.reshape(-1, 3))
            outputs = target(inputs)
            goals = cases.goals[alive.repeat_interleave(count)]
            reached = goals.reached(outputs).reshape(-1, count)
            values = badness(goals, outputs).reshape(-1, count)
            # The first pose that fools in the order of the plan, whatever else shares its forward.
            pick = torch.where(reached.any(1), reached.int().argmax(1), values.argmax(1))
            rows = torch.arange(len(alive), device=alive.device)
            pictures = inputs.reshape(len(alive), count, *inputs.shape[1:])[rows, pick]
            best.offer(alive, pictures, values[rows, pick], reached[rows, pick])
            start += count
        return Attempts(best.inputs, best.found)

    def _plan(self, cases: Cases, threat: RotateTranslate, seed: Seed) -> Callable[[Tensor, slice], Tensor]:
        """A function from positions of cases and a slice of the plan to poses, shape (positions, pose, 3)."""
        limits = threat.limits.to(cases.inputs)
        axes = [_spread(self.angles), _spread(self.shifts), _spread(self.shifts)]
        grid = torch.cartesian_prod(*axes).reshape(-1, 3).to(limits)
        grid = grid[grid.norm(dim=1).argsort(descending=True, stable=True)] * limits
        stream = seed.child("spatial").stream(cases.ids, cases.inputs.device)

        def poses(positions: Tensor, part: slice) -> Tensor:
            fixed = grid[part].expand(len(positions), -1, 3)
            low, high = max(0, part.start - len(grid)), min(self.draws, part.stop - len(grid))
            drawn = [2 * stream[positions].uniform((1, 3), at) - 1 for at in range(low, high)]
            return torch.cat([fixed, *[draw * limits for draw in drawn]], 1)

        return poses


def _spread(count: int) -> Tensor:
    """So many points from -1 to 1; a single one lies at 0."""
    if count == 1:
        return torch.zeros(1)
    return torch.linspace(-1.0, 1.0, count) if count else torch.zeros(0)
