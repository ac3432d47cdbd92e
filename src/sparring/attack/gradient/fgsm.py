"""Fast gradient sign method: one step of the full radius along the loss gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.core.attack import Attempts, InnerAttack
from sparring.core.cases import Cases
from sparring.core.goal import Goals
from sparring.core.seed import Seed, Stream
from sparring.core.target import Differentiable, Target
from sparring.core.threat import Projectable


@dataclass(frozen=True)
class FGSM(InnerAttack[Differentiable, Cases, Projectable]):
    """One steepest step from the case itself, for any norm.

    Paper: Goodfellow et al., 2015, arXiv:1412.6572, section 4.
    Differs: the step is the steepest one of the threat's norm, so L2 and L1 work too.
    Cost per case: 1 forward and 1 input-backward. A forward that told success would cost half as much again, so
    nothing is claimed: whoever replays the attempts knows.
    """

    family = "gradient"

    def cost(self, target: Target) -> int:
        return 1

    def search(self, target: Differentiable, cases: Cases, threat: Projectable, seed: Seed) -> Attempts:
        moved = self._move(target, cases.inputs, cases.goals, threat)
        return Attempts(moved, torch.zeros(len(cases), dtype=torch.bool, device=moved.device))

    def perturb(
        self, target: Differentiable, inputs: Tensor, goals: Goals, threat: Projectable, stream: Stream
    ) -> Tensor:
        return self._move(target, inputs, goals, threat)

    def _move(self, target: Differentiable, inputs: Tensor, goals: Goals, threat: Projectable) -> Tensor:
        region = threat.around(inputs)
        direction = region.steepest(target.gradient(inputs, goals.loss).gradient)
        return region.project_(inputs + direction * region.radius)
