"""MART: adversarial training that attends most to the cases that the student gets wrong."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.attack import InnerAttack
from sparring.core.errors import InvalidSpec
from sparring.core.threat import ThreatModel
from sparring.core.training import Batch, Counts, Training, right


@dataclass(frozen=True)
class MART(Training):
    """Minimises a boosted cross-entropy on attacked cases + beta * KL(clean || attacked) * (1 - clean probability).

    Paper: Wang et al., 2020, "Improving adversarial robustness requires revisiting misclassified examples" (ICLR),
    equation 11.
    Differs: log(1 - p) is computed from logits, so that it stays finite without the original's small constants.
    Cost per case and epoch: with PGD of k steps `2 k + 6` forwards.

    Args:
        attack: what moves the inputs: `PGD(steps=10)`.
        threat: what it may do.
        beta: weight of the divergence (the paper's lambda).
    """

    attack: InnerAttack[Any, Any, Any] = field()
    threat: ThreatModel = field()
    beta: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta >= 0:
            raise InvalidSpec(f"MART needs a beta of 0 or more; got {self.beta}.")
        if self.label_smoothing:
            raise InvalidSpec("MART's boosted cross-entropy has no label smoothing. Leave label_smoothing at 0.")

    def perturb(self, batch: Batch) -> Tensor:
        return self.attack.perturb(batch.student, batch.inputs, batch.goals, batch.threat, batch.stream)

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        clean, attacked = batch.answer(batch.inputs), batch.answer(moved)
        likely = functional.softmax(clean, 1)
        divergence = functional.kl_div(functional.log_softmax(attacked, 1), likely, reduction="none").sum(1)
        doubt = 1 - likely.gather(1, batch.labels[:, None]).squeeze(1)
        counts = {"clean": right(clean, batch.labels), "robust": right(attacked, batch.labels)}
        return (boosted_entropy(attacked, batch.labels) + self.beta * divergence * doubt).mean(), counts


def boosted_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p(label) - log(1 - largest other probability), shape (batch,)."""
    own = functional.one_hot(labels, logits.shape[1]).bool()
    rival = logits.masked_fill(own, -torch.inf).argmax(1, keepdim=True)
    rest = logits.scatter(1, rival, -torch.inf).logsumexp(1)  # log of all mass but the rival's
    return functional.cross_entropy(logits, labels, reduction="none") + logits.logsumexp(1) - rest
