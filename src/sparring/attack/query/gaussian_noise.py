"""Gaussian noise: normal noise of the threat's own size, a baseline that every attack has to beat."""

from dataclasses import dataclass

import torch

from sparring.attack.query.uniform_noise import WorstDraw
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Labelled, Target


@dataclass(frozen=True)
class GaussianNoise(Attack[Labelled, Cases, LpBall]):
    """Adds normal noise, projected into the threat set, and keeps each case's worst draw by margin,
    or the one that fooled a target that gives labels alone.

    Paper: none; the baseline of Hendrycks and Dietterich, 2019, arXiv:1903.12261, and of every sanity check.
    Differs: the standard deviation follows the threat. Linf: the radius, so that a third of the coordinates end on the
    ball's faces. L2 and L1: such that the noise reaches the ball's surface before the box cuts it.
    Cost per case: `draws` forwards; none after the case is fooled.

    Args:
        draws: noises tried per case.

    Raises:
        InvalidSpec: if `draws` is below 1.
    """

    family = "noise"
    counted = "draws"
    draws: int = 10

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise InvalidSpec(f"GaussianNoise needs draws of 1 or more; got {self.draws}.")

    def cost(self, target: Target) -> int:
        return self.draws

    def search(self, target: Labelled, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        region = threat.around(cases.inputs)
        stream = seed.child("gaussian noise").stream(cases.ids, cases.inputs.device)
        shape = cases.inputs.shape[1:]
        worst = WorstDraw(cases)
        for draw in range(self.draws):
            rows = worst.held()
            if len(rows) == 0:
                break
            noise, here = stream[rows].normal(shape, draw), region[rows]
            if threat.norm != "inf":
                noise = noise / lp_norm(noise, threat.norm).clamp_min(1e-12).reshape(here.radius.shape)
            worst.offer(target, rows, here.project_(torch.addcmul(here.origins, noise, here.radius)))
        return worst.attempts()
