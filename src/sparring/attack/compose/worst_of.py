"""Worst of several attacks: a cascade in which each attack sees only the cases that held before it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from sparring.attack.compose.composed import Composed, Worst, check_attack
from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class WorstOf(Composed):
    """Runs attacks in turn on the cases that still hold, and says in `by` which one made each attempt.

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 5, where the cascade of four attacks is AutoAttack.
    Differs: any attacks, in any order; what an attack claims is not believed but replayed. Its family names the
    families of all its parts.
    Cost per case: the sum of the attacks' costs plus 1 forward each; none after the case is broken.

    Args:
        attacks: in the order in which they run; put the cheap ones first.

    Raises:
        InvalidSpec: if there is no attack among them, or something else.
    """

    attacks: Sequence[Attack[Any, Any, Any]] = (FGSM(), PGD(steps=10))

    def __post_init__(self) -> None:
        if not isinstance(self.attacks, (list, tuple)) or not self.attacks:
            raise InvalidSpec(f"WorstOf needs a list of one attack or more; got {self.attacks!r}.")
        for attack in self.attacks:
            check_attack(attack, "WorstOf")
        object.__setattr__(self, "attacks", tuple(self.attacks))

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return tuple(self.attacks)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attacks=tuple(members))

    def cost(self, target: Target) -> int:
        return sum(attack.cost(target) + 1 for attack in self.attacks)

    def within(self, budget: Budget, target: Target) -> Self:
        """The same cascade: an equal share of the budget for each attack, and what the cheap ones leave for the others."""
        if budget.forwards is None or self.cost(target) <= budget.forwards:
            return self
        spare = budget.forwards - len(self.attacks)
        smaller = dict(enumerate(self.attacks))
        cheapest_first = sorted(smaller, key=lambda number: self.attacks[number].cost(target))
        for done, number in enumerate(cheapest_first):
            share = Budget(max(spare // (len(self.attacks) - done), 1))
            smaller[number] = smaller[number].within(share, target)
            spare -= smaller[number].cost(target)
        fitting = self.with_members(list(smaller.values()))
        if fitting.cost(target) > budget.forwards:
            raise InvalidSpec(
                f"{self.name} cannot run {len(self.attacks)} attacks within {budget.forwards} forwards per case; "
                f"they need at least {fitting.cost(target)}. Raise the budget or name fewer attacks."
            )
        return fitting

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        worst = Worst(target, cases, threat)
        for number, attack in enumerate(self.attacks):
            rows = worst.held()
            if len(rows) == 0:
                break
            attempts = attack.run(target, cases[rows], threat, seed=seed.child("part", number))
            worst.offer(rows, attempts, attack.label)
        return worst.attempts()
