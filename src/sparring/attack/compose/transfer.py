"""Transfer: attempts made on a surrogate, for a target that reveals nothing to the attack."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from sparring.attack.compose.composed import Composed, check_attack
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Labelled, Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Transfer(Composed):
    """Runs an attack on a surrogate and hands its attempts to the target, which is never asked.

    Paper: Papernot et al., 2017, arXiv:1602.02697, section 4; transfer itself in Szegedy et al., 2014, arXiv:1312.6199.
    Differs: the surrogate is the caller's own model and learns nothing from the target. Attacks that stop as soon as the
    surrogate is fooled (PGD) stay close to its boundary; FGSM does not stop. Nothing is claimed as found.
    Cost per case: 0 forwards of the target; the attack's cost on the surrogate.

    Args:
        attack: what to run.
        surrogate: what to run it on, with the target's classes.
        fingerprint: tells two surrogates apart in a record; follows from the surrogate.

    Raises:
        InvalidSpec: if `attack` is no attack, or the surrogate is not the one of the fingerprint.
        Incompatible: at the run, if there is no surrogate or the attack cannot use it.
    """

    attack: Attack[Any, Any, Any] = PGD(steps=10)
    surrogate: Target | None = field(default=None, compare=False, metadata=LEARNED)
    fingerprint: str = ""

    needs_target = Labelled  # type: ignore[assignment]

    def __post_init__(self) -> None:
        check_attack(self.attack, "Transfer")
        object.__setattr__(self, "fingerprint", checked_fingerprint("Transfer", self.surrogate, self.fingerprint))

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    def cost(self, target: Target) -> int:
        return 0

    def within(self, budget: Budget, target: Target) -> Self:
        return self

    def check(self, target: Target, threat: ThreatModel) -> None:
        Attack.check(self, target, threat)
        self.attack.check(self._model(), threat)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        return super().prepare(self._model(), self._model().place(cases), threat, seed=seed, workspace=workspace)

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        surrogate = self._model()
        placed = surrogate.place(cases)
        surrogate.check(placed)
        attempts = self.attack.run(surrogate, placed, threat, seed=seed)
        device = cases.inputs.device
        detail = None if attempts.detail is None else attempts.detail.to(device)
        found = torch.zeros(len(cases), dtype=torch.bool, device=device)
        return Attempts(attempts.inputs.to(device), found, attempts.by, detail)

    def _model(self) -> Target:
        if self.surrogate is None:
            raise Incompatible(
                f"{self.name} needs a surrogate to attack; got none. Pass Transfer(attack, surrogate=Classifier(...))."
            )
        return self.surrogate


def checked_fingerprint(owner: str, model: Target | None, fingerprint: str) -> str:
    """The model's fingerprint.

    Raises:
        InvalidSpec: if another one was given.
    """
    actual = fingerprint if model is None else model.fingerprint()
    if fingerprint and actual != fingerprint:
        raise InvalidSpec(
            f"{owner} was given a model with fingerprint {actual}, but its spec says {fingerprint}. "
            "Pass the model of the spec, or leave the fingerprint out."
        )
    return actual
