"""Average: an attack on the expectation of a target that draws random numbers (expectation over transformation)."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from sparring.attack.compose.composed import Composed, check_attack
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Gradient, Labelled, Scored, Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Average(Composed):
    """Shows an attack the mean of `samples` answers and gradients of a random target.

    Paper: Athalye et al., 2018, arXiv:1802.00420, section 4.2 (expectation over transformation).
    Differs: the draws are the target's own, one after the other, so any randomised target serves. Scores and gradients
    are averaged; a target that gives labels alone votes.
    Cost per case: `samples` times the attack's cost.

    Args:
        attack: what to run.
        samples: draws behind each answer and each gradient.

    Raises:
        InvalidSpec: if `samples` is below 1 or `attack` is no attack.
    """

    attack: Attack[Any, Any, Any] = PGD(steps=10)
    samples: int = 10

    def __post_init__(self) -> None:
        check_attack(self.attack, "Average")
        if self.samples < 1:
            raise InvalidSpec(f"Average needs samples of 1 or more; got {self.samples}.")

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        return super().prepare(averaged(target, self.samples), cases, threat, seed=seed, workspace=workspace)

    def cost(self, target: Target) -> int:
        return self.samples * self.attack.cost(target)

    def within(self, budget: Budget, target: Target) -> Self:
        if budget.forwards is None or self.cost(target) <= budget.forwards:
            return self
        return dataclasses.replace(
            self, attack=self.attack.within(Budget(max(budget.forwards // self.samples, 1)), target)
        )

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        return self.attack.run(averaged(target, self.samples), cases, threat, seed=seed)


def averaged(target: Target, samples: int) -> Target:
    """A target that answers with the mean of several answers; it offers what the target offers."""
    if isinstance(target, Differentiable):
        return _MeanGradients(target, samples)
    if isinstance(target, Scored):
        return _MeanScores(target, samples)
    return _Votes(target, samples) if isinstance(target, Labelled) else target


class _Votes(Labelled):
    """The class that most of several answers name."""

    def __init__(self, target: Any, samples: int) -> None:
        self.target, self.samples = target, samples
        self.classes, self.name, self.replays = target.classes, target.name, target.replays

    def respond(self, inputs: Any) -> Tensor:
        answers = [self.target(inputs) for _ in range(self.samples)]
        return torch.stack(answers).mode(0).values


class _MeanScores(Scored):
    """The mean of several answers."""

    def __init__(self, target: Any, samples: int) -> None:
        self.target, self.samples = target, samples
        self.classes, self.name, self.replays = target.classes, target.name, target.replays

    def respond(self, inputs: Any) -> Tensor:
        return torch.stack([self.target(inputs) for _ in range(self.samples)]).mean(0)


class _MeanGradients(_MeanScores, Differentiable):
    """The mean of several answers and of their gradients, one graph at a time."""

    def forward(self, inputs: Tensor) -> Tensor:
        self.target.meter.forwards += self.samples * len(inputs)
        return torch.stack([self.target.forward(inputs) for _ in range(self.samples)]).mean(0)

    def gradient(self, inputs: Tensor, loss: Callable[[Any], Tensor]) -> Gradient:
        return self._mean(lambda: self.target.gradient(inputs, loss))

    def jacobian(self, inputs: Tensor, loss: Callable[[Any], Tensor]) -> Gradient:
        return self._mean(lambda: self.target.jacobian(inputs, loss))

    def _mean(self, draw: Callable[[], Gradient]) -> Gradient:
        total = draw()
        for _ in range(self.samples - 1):
            total = Gradient(*(have + more for have, more in zip(total, draw(), strict=True)))
        return Gradient(*(value / self.samples for value in total))
