"""FGSM with a random start: adversarial training for little more than the price of standard training."""

from dataclasses import dataclass, field

from torch import Tensor

from sparring.core.errors import InvalidSpec
from sparring.core.threat import Projectable
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class FGSMRS(Training):
    """Adversarial training with one step from a random point of the ball, projected back onto it.

    Paper: Wong et al., 2020, arXiv:2001.03994, algorithm 3.
    Differs: any norm; the step runs in evaluation mode; catastrophic overfitting, to which it is prone, is reported
    rather than stopped at, and the best epoch is kept.
    Cost per case and epoch: 5 forwards.

    Args:
        threat: what the adversary may do.
        step: step length / threat radius (the paper's alpha / epsilon).
    """

    threat: Projectable = field()
    step: float = 1.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.step > 0:
            raise InvalidSpec(f"FGSMRS needs a positive step; got {self.step}.")

    def perturb(self, batch: Batch) -> Tensor:
        region = batch.threat.around(batch.inputs)
        start = region.sample(batch.stream)
        gradient = batch.student.gradient(start, batch.goals.loss).gradient
        return region.project_(start.add_(region.steepest(gradient).mul_(batch.threat.radius * self.step)))
