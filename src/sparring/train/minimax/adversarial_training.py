"""Adversarial training: every batch is attacked before it is learned from."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sparring.core.attack import InnerAttack
from sparring.core.threat import ThreatModel
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class AdversarialTraining(Training):
    """Minimises cross-entropy on the last iterate of an attack.

    Paper: Madry et al., 2018, arXiv:1706.06083, section 2.
    Differs: the attack sees the student in evaluation mode; the best epoch is chosen by robust accuracy on validation
    (Rice et al., 2020, arXiv:2002.11569).
    Cost per case and epoch: with PGD of k steps `2 k + 3` forwards.

    Args:
        attack: what moves the inputs: `PGD(steps=7)`.
        threat: what it may do.
    """

    attack: InnerAttack[Any, Any, Any] = field()
    threat: ThreatModel = field()

    def perturb(self, batch: Batch) -> Tensor:
        return self.attack.perturb(batch.student, batch.inputs, batch.goals, batch.threat, batch.stream)
