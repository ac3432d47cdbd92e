"""Restarts: the same attack several times over, with other random numbers, on the cases that still hold."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from sparring.attack.compose.composed import Composed, Worst, check_attack
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Restarts(Composed):
    """Runs an attack with `count` seeds and keeps each case's worst attempt.

    Paper: Madry et al., 2018, arXiv:1706.06083, section 4.
    Differs: only the cases that still hold run again; each run's attempts are replayed, so that attacks which claim
    nothing (FGSM) serve as well.
    Cost per case: `count` times the attack's cost plus 1 forward.

    Args:
        attack: what to run.
        count: how often.

    Raises:
        InvalidSpec: if `count` is below 1 or `attack` is no attack.
    """

    attack: Attack[Any, Any, Any] = PGD(steps=10)
    count: int = 3

    def __post_init__(self) -> None:
        check_attack(self.attack, "Restarts")
        if self.count < 1:
            raise InvalidSpec(f"Restarts needs a count of 1 or more; got {self.count}.")

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    def cost(self, target: Target) -> int:
        return self.count * (self.attack.cost(target) + 1)

    def within(self, budget: Budget, target: Target) -> Self:
        if budget.forwards is None or self.cost(target) <= budget.forwards:
            return self
        each = Budget(max(budget.forwards // self.count - 1, 1))
        return dataclasses.replace(self, attack=self.attack.within(each, target))

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        worst = Worst(target, cases, threat)
        for run in range(self.count):
            rows = worst.held()
            if len(rows) == 0:
                break
            attempts = self.attack.run(target, cases[rows], threat, seed=seed.child("restart", run))
            worst.offer(rows, attempts, self.attack.label)
        return worst.attempts()
