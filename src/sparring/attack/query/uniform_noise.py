"""Uniform noise: random points of the threat set, a baseline that every attack has to beat."""

from dataclasses import dataclass

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Labelled, Target
from sparring.core.threat import Projectable


@dataclass(frozen=True)
class UniformNoise(Attack[Labelled, Cases, Projectable]):
    """Draws points of the threat set at random and keeps each case's worst by margin, or
    the one that fooled a target that gives labels alone.

    Paper: none; the baseline of Hendrycks and Dietterich, 2019, arXiv:1903.12261, and of every sanity check.
    Differs: the noise is as large as the threat allows, for any norm; cases leave once they are fooled.
    Cost per case: `draws` forwards; none after the case is fooled.

    Args:
        draws: points tried per case.

    Raises:
        InvalidSpec: if `draws` is below 1.
    """

    family = "noise"
    counted = "draws"
    draws: int = 10

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise InvalidSpec(f"UniformNoise needs draws of 1 or more; got {self.draws}.")

    def cost(self, target: Target) -> int:
        return self.draws

    def search(self, target: Labelled, cases: Cases, threat: Projectable, seed: Seed) -> Attempts:
        region = threat.around(cases.inputs)
        stream = seed.child("uniform noise").stream(cases.ids, cases.inputs.device)
        worst = WorstDraw(cases)
        for draw in range(self.draws):
            rows = worst.held()
            if len(rows) == 0:
                break
            worst.offer(target, rows, region[rows].sample(stream[rows], draw))
        return worst.attempts()


class WorstDraw:
    """The draw with the highest margin on each case so far; fooled cases are asked no more."""

    def __init__(self, cases: Cases) -> None:
        self.goals = cases.goals
        self.inputs = cases.inputs.clone()
        self.margins = torch.full((len(cases),), -torch.inf, device=self.inputs.device)
        self.found = torch.zeros(len(cases), dtype=torch.bool, device=self.inputs.device)

    def held(self) -> torch.Tensor:
        """Positions of the cases that nothing has fooled yet."""
        return (~self.found).nonzero().squeeze(1)

    def offer(self, target: Labelled, rows: torch.Tensor, inputs: torch.Tensor) -> None:
        """Asks the target about one draw for each of these cases and keeps what is worse."""
        scores, goals = target(inputs), self.goals[rows]
        reached = goals.reached(scores)
        margins = goals.margin(scores) if scores.ndim == 2 else torch.zeros_like(self.margins[rows])
        better = reached | (margins > self.margins[rows])
        kept = rows[better]
        self.inputs[kept], self.margins[kept], self.found[kept] = inputs[better], margins[better], reached[better]

    def attempts(self) -> Attempts:
        return Attempts(self.inputs, self.found)
