"""Oblivious: attempts made on a target without its mitigation, by an attacker who does not know of it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from sparring.attack.compose.composed import Composed, check_attack
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.core.target import Labelled, Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Oblivious(Composed):
    """Runs an attack on the bare target and hands its attempts to the mitigated one, which is never asked.

    Beside the same attack on the target itself, which is adaptive, it says how much of a mitigation is left once the
    attacker knows of it. On a target without a mitigation it is the attack itself.

    Paper: Carlini and Wagner, 2017, arXiv:1705.07263 (the zero-knowledge adversary).
    Differs: nothing is claimed as found, for the mitigated target was not asked.
    Cost per case: the attack's, asked of the bare target.

    Args:
        attack: what to run.

    Raises:
        InvalidSpec: if `attack` is no attack.
        Incompatible: at the run, if the attack cannot use the bare target.
    """

    attack: Attack[Any, Any, Any] = PGD(steps=10)

    needs_target = Labelled  # type: ignore[assignment]

    def __post_init__(self) -> None:
        check_attack(self.attack, "Oblivious")

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    def cost(self, target: Target) -> int:
        return self.attack.cost(target.bare)

    def within(self, budget: Budget, target: Target) -> Self:
        return dataclasses.replace(self, attack=self.attack.within(budget, target.bare))

    def check(self, target: Target, threat: ThreatModel) -> None:
        Attack.check(self, target, threat)
        self.attack.check(target.bare, threat)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        return super().prepare(target.bare, target.bare.place(cases), threat, seed=seed, workspace=workspace)

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        attempts = self.attack.run(target.bare, target.bare.place(cases), threat, seed=seed)
        return dataclasses.replace(attempts, found=torch.zeros_like(attempts.found))
