"""Adversarial training: every batch is attacked before it is learned from."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparring.core.attack import InnerAttack
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class AdversarialTraining(Training):
    """Minimises cross-entropy on the last iterate of an attack.

    Paper: Madry et al., 2018, arXiv:1706.06083, section 2.
    Differs: the attack sees the student in evaluation mode (Pang et al., 2021, arXiv:2010.00467, table 8, find it at
    least as good); the best epoch is chosen by robust accuracy on validation (Rice et al., 2020, arXiv:2002.11569).
    Cost per case and epoch: with PGD of k steps `2 k + 3` forwards.

    Args:
        attack: what moves the inputs: `PGD(steps=7)`.
        threat: what it may do.
    """

    attack: InnerAttack[Any, Any, Any]
    threat: ThreatModel  # type: ignore[assignment]

    @property
    def families(self) -> tuple[str, ...]:
        return (self.attack.family,)

    def check(self, target: Target, data: Cases) -> None:
        super().check(target, data)
        if not isinstance(self.attack, InnerAttack):
            raise Incompatible(
                f"{self.name} needs an attack that can serve inside a training step, such as PGD; "
                f"got {type(self.attack).__name__}."
            )
        self.attack.check(target, self.threat)

    def perturb(self, batch: Batch) -> Tensor:
        return self.attack.perturb(batch.student, batch.inputs, batch.goals, batch.threat, batch.stream)
