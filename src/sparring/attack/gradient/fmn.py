"""Fast minimum-norm attack: shrink the ball while it still holds an adversarial input, grow it when it does not."""

import math
from dataclasses import dataclass

import torch

from sparring.attack.gradient.fab import Nearest
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Target

_DROP_SHARE = 0.05  # compact the batch once this share of it has been fooled
_DUAL: dict[str | int, str | int] = {"inf": 1, 2: 2, 1: "inf"}


@dataclass(frozen=True)
class FMN(Attack[Differentiable, Cases, LpBall]):
    """The nearest adversarial input, by gradient steps inside a ball whose radius is searched for meanwhile.

    Chosen over Carlini and Wagner's attack because it needs no trade-off constant, so a hundred gradients do what there
    takes nine searches of a thousand, and because one algorithm serves Linf, L2 and L1.

    Paper: Pintor et al., 2021, arXiv:2102.12827, algorithm 1.
    Differs: until something is found, the radius goes a little past the linearised boundary, on which a linear model
    would otherwise stand still; a case leaves once it is fooled within the threat's radius; what stays outside
    is returned projected onto the ball.
    Cost per case: `1 + steps` forwards and `steps` input-backwards.

    Args:
        steps: gradient steps.
        step_size: length of the first step in the threat's norm, as a multiple of the radius that the first
            linearisation asks for; falls to a hundredth of itself along a cosine.
        shrink: the share by which the first searches change the radius; falls to a hundredth of itself too.

    Raises:
        InvalidSpec: if `steps` is below 1, `step_size` is not positive, or `shrink` is not in (0, 1).
    """

    family = "gradient"
    steps: int = 100
    step_size: float = 1.0
    shrink: float = 0.05

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.step_size > 0 or not 0 < self.shrink < 1:
            raise InvalidSpec(
                "FMN needs steps of 1 or more, a positive step_size and shrink in (0, 1); "
                f"got {self.steps}, {self.step_size} and {self.shrink}."
            )

    def cost(self, target: Target) -> int:
        return 1 + self.steps

    def search(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        nearest = Nearest(cases, threat, target)
        alive = nearest.alive()
        goals, box = cases.goals[alive], nearest.box[alive]
        moved, reach, scale = box.origins.clone(), torch.zeros(len(alive), device=box.origins.device), None
        for step in range(self.steps):
            if len(alive) == 0:
                break
            values, outputs, gradient = target.gradient(moved, goals.margin)
            fooled = goals.reached(outputs)
            distance = lp_norm(moved - box.origins, threat.norm)
            hit = fooled.nonzero().squeeze(1)
            nearest.offer(alive[hit], moved[hit], distance[hit])
            best = nearest.distances[alive]
            fade = 0.01 + 0.99 * (1 + math.cos(math.pi * step / self.steps)) / 2
            gamma = self.shrink * fade
            asked = distance + values.abs() / lp_norm(gradient, _DUAL[threat.norm]).clamp_min(1e-12)
            scale = asked.clone() if scale is None else scale
            grown = torch.where(torch.isinf(best), asked * (1 + gamma), torch.minimum(reach * (1 + gamma), best))
            reach = torch.where(fooled, torch.minimum(reach, best) * (1 - gamma), grown)
            size = (scale * self.step_size * fade).reshape(box.radius.shape)
            ball = threat.scaled(reach.reshape(box.radius.shape)).around(box.origins)
            moved = ball.project_(ball.steepest(gradient).mul_(size).add_(moved))
            stay = (~nearest.found[alive]).nonzero().squeeze(1)
            if len(alive) - len(stay) > _DROP_SHARE * len(alive):
                alive, moved, goals, box = alive[stay], moved[stay], goals[stay], box[stay]
                reach, scale = reach[stay], scale[stay]
        nearest.last_resort(alive, moved)
        return nearest.attempts()
