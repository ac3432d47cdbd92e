"""TRADES: accuracy on clean cases, traded against the change of the answer inside the threat set."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.attack import InnerAttack
from sparring.core.cases import take
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Goals, decisions
from sparring.core.threat import ThreatModel
from sparring.core.training import Batch, Counts, Training, right


@dataclass(frozen=True)
class TRADES(Training):
    """Minimises clean cross-entropy + beta * KL(clean answer || attacked answer).

    Paper: Zhang et al., 2019, arXiv:1901.08573, algorithm 1 and equation 5.
    Differs: the clean distribution that the attack climbs away from is computed once, not at every step; the climb
    starts as the attack does (PGD: anywhere in the ball, not within 0.001 of the case).
    Cost per case and epoch: with PGD of k steps `2 k + 7` forwards.

    Args:
        attack: what moves the inputs, uphill on the divergence: `PGD(steps=10)`.
        threat: what it may do.
        beta: weight of the divergence (the paper's 1 / lambda).
    """

    attack: InnerAttack[Any, Any, Any] = field()
    threat: ThreatModel = field()
    beta: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta >= 0:
            raise InvalidSpec(f"TRADES needs a beta of 0 or more; got {self.beta}.")

    def perturb(self, batch: Batch) -> Tensor:
        away = Diverge(functional.softmax(batch.student(batch.inputs), 1))
        return self.attack.perturb(batch.student, batch.inputs, away, batch.threat, batch.stream)

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        clean, attacked = batch.answer(batch.inputs), batch.answer(moved)
        divergence = functional.kl_div(
            functional.log_softmax(attacked, 1), functional.softmax(clean, 1), reduction="batchmean"
        )
        counts = {"clean": right(clean, batch.labels), "robust": right(attacked, batch.labels)}
        return self.entropy(clean, batch.labels) + self.beta * divergence, counts


@dataclass(frozen=True)
class Diverge(Goals):
    """Any answer far from the one given: the loss is KL(given || answer).

    Args:
        given: probabilities, shape (batch, class).
    """

    given: Tensor

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, index: Any) -> "Diverge":
        return Diverge(take(self.given, index))

    def loss(self, outputs: Tensor) -> Tensor:
        return functional.kl_div(functional.log_softmax(outputs, 1), self.given, reduction="none").sum(1)

    def reached(self, outputs: Tensor) -> Tensor:
        return torch.ne(decisions(outputs), self.given.argmax(1))
