"""Noise FGSM: one attack step from a noisy start that is not clipped back, so that one step keeps sufficing."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.target import Target
from sparring.core.training import Batch, Training


@dataclass(frozen=True)
class NFGSM(Training):
    """Adversarial training with one step, from noise larger than the threat, without projection onto the ball.

    Paper: de Jorge et al., 2022, arXiv:2202.01181, algorithm 1.
    Differs: any norm, with its own steepest step, which runs in evaluation mode. As in the paper nothing is clipped,
    so that training inputs may leave the ball and the box.
    Cost per case and epoch: 5 forwards.

    Args:
        threat: what the adversary may do.
        noise: radius of the uniform noise / threat radius (the paper's k).
        step: step length / threat radius (the paper's alpha / epsilon).
    """

    threat: LpBall = field()
    noise: float = 2.0
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise >= 0 or not self.step > 0:
            raise InvalidSpec(f"NFGSM needs noise of 0 or more and a positive step; got {self.noise} and {self.step}.")

    def check(self, target: Target, data: Cases) -> None:
        super().check(target, data)
        if not isinstance(self.threat, LpBall):
            raise Incompatible(
                f"{self.name} needs an LpBall, whose noise can be larger than the threat; got {type(self.threat).__name__}."
            )

    def perturb(self, batch: Batch) -> Tensor:
        unboxed = replace(batch.threat, radius=batch.threat.radius * self.noise, low=-torch.inf, high=torch.inf)
        noisy = unboxed.around(batch.inputs).sample(batch.stream)
        gradient = batch.student.gradient(noisy, batch.goals.loss).gradient
        direction = batch.threat.around(batch.inputs).steepest(gradient)
        return noisy.add_(direction.mul_(batch.threat.radius * self.step))
