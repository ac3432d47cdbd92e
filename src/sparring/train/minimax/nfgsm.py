"""Noise FGSM: one attack step from a noisy start that is not clipped back, so that one step keeps sufficing."""

from dataclasses import dataclass, field

from torch import Tensor

from sparring.core.errors import InvalidSpec
from sparring.core.threat import Projectable
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class NFGSM(Training):
    """Adversarial training with one step, from noise larger than the threat, without projection onto the ball.

    Paper: de Jorge et al., 2022, arXiv:2202.01181, algorithm 1.
    Differs: any norm, with its own steepest step; inputs stay in the box; the step runs in evaluation mode.
    Cost per case and epoch: 5 forwards.

    Args:
        threat: what the adversary may do.
        noise: radius of the uniform noise / threat radius (the paper's k).
        step: step length / threat radius (the paper's alpha / epsilon).
    """

    threat: Projectable = field()
    noise: float = 2.0
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise >= 0 or not self.step > 0:
            raise InvalidSpec(f"NFGSM needs noise of 0 or more and a positive step; got {self.noise} and {self.step}.")

    def perturb(self, batch: Batch) -> Tensor:
        radius = batch.threat.radius
        noisy = batch.threat.scaled(radius * self.noise).around(batch.inputs).sample(batch.stream)
        gradient = batch.student.gradient(noisy, batch.goals.loss).gradient
        reach = batch.threat.scaled(radius * (self.noise + self.step)).around(batch.inputs)
        return reach.project_(noisy.add_(reach.steepest(gradient).mul_(radius * self.step)))
