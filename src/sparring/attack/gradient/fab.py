"""Fast adaptive boundary attack: step onto the linearised decision boundary, stay close to the original."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.attack.gradient.hyperplane import onto_hyperplane
from sparring.attack.gradient.losses import Objective, lead
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import ClassifyAs
from sparring.core.seed import Seed, Stream
from sparring.core.target import Differentiable, Gradient, Target

_DROP_SHARE = 0.05  # compact the batch once this share of it has been fooled


@dataclass(frozen=True)
class FAB(Attack[Differentiable, Cases, LpBall]):
    """The nearest adversarial input that FAB finds, towards the nearest class of all.

    Paper: Croce and Hein, 2020, arXiv:1907.02044, algorithm 1, without its final search along the line.
    Differs: projections by Newton's method and not by sorting; a case leaves once it is fooled within the radius, and
    what stays outside is returned projected onto the ball; goals may name a class, which then is the only target.
    Cost per case: `1 + 2 * restarts * steps` forwards and `classes * restarts * steps` input-backwards.

    Args:
        steps: per restart.
        restarts: the first from the case itself, the others from random points in half the ball.
        alpha_max: largest share of the step that pulls back to the original.
        eta: how far past the boundary a step goes; 1 is onto it.
        beta: an adversarial point is pulled back to this share of its distance.

    Raises:
        InvalidSpec: if `steps` or `restarts` is below 1, or `alpha_max` or `beta` is not in [0, 1].
    """

    family = "gradient"
    steps: int = 100
    restarts: int = 1
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1:
            raise InvalidSpec(f"FAB needs steps and restarts of 1 or more; got {self.steps} and {self.restarts}.")
        check_shares(self.alpha_max, self.beta)

    def cost(self, target: Target) -> int:
        return 1 + 2 * self.restarts * self.steps

    def search(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        nearest = Nearest(cases, threat, target)
        goals = cases.goals
        named = lead(goals, goals.targets) if isinstance(goals, ClassifyAs) else None
        objective = Objective(goals, _leads) if named is None else named
        for restart in range(self.restarts):
            stream = seed.child("fab", restart).stream(cases.ids, cases.inputs.device) if restart else None
            linearise = _nearest_class if named is None else towards
            walk(target, objective, linearise, nearest, stream, self.steps, self.alpha_max, self.eta, self.beta)
        return nearest.attempts()


class Nearest:
    """The nearest adversarial input of each case so far.

    Args:
        cases: one batch.
        threat: the ball; its radius decides what counts as found, its box and mask bound every input.
        target: asked once, for what is broken already.
    """

    def __init__(self, cases: Cases, threat: LpBall, target: Differentiable) -> None:
        self.threat, self.origins = threat, cases.inputs
        self.ball = threat.around(cases.inputs)
        self.box = threat.scaled(math.inf).around(cases.inputs)
        self.radius = self.ball.radius.reshape(len(cases))
        self.logits = target(cases.inputs)
        self.found = cases.goals.reached(self.logits)
        self.distances = torch.where(self.found, 0.0, torch.inf)
        self.inputs = cases.inputs.clone()

    def alive(self) -> Tensor:
        """Positions of the cases that nothing has fooled inside the ball yet."""
        return (~self.found).nonzero().squeeze(1)

    def offer(self, positions: Tensor, inputs: Tensor, distances: Tensor) -> None:
        """Adversarial inputs: keeps those that are nearer."""
        better = (distances < self.distances[positions]).nonzero().squeeze(1)
        where = positions[better]
        self.inputs[where], self.distances[where] = inputs[better], distances[better]
        self.found[where] = distances[better] <= self.radius[where]

    def last_resort(self, positions: Tensor, inputs: Tensor) -> None:
        """Inputs that fool nothing, for the cases that have no adversarial one at any distance."""
        none = torch.isinf(self.distances[positions]).nonzero().squeeze(1)
        self.inputs[positions[none]] = inputs[none]

    def attempts(self) -> Attempts:
        """Everything inside the ball; `found` where that is adversarial."""
        outside = self.alive()
        self.inputs[outside] = self.ball[outside].project_(self.inputs[outside])
        return Attempts(self.inputs, self.found)


def walk(
    target: Differentiable,
    objective: Objective,
    linearise: Callable[[Differentiable, Tensor, Objective, str | int], tuple[Tensor, Tensor]],
    nearest: Nearest,
    stream: Stream | None,
    steps: int,
    alpha_max: float,
    eta: float,
    beta: float,
) -> None:
    """One run of FAB on every case that is not fooled yet: `2 * steps` forwards and `steps` linearisations per case.

    Args:
        target: gives the gradients.
        objective: whose zero is the boundary, sliceable like the batch.
        linearise: gives its value, shape (batch,), and gradient, shape (batch, ...), for the class to go to.
        nearest: says who is left and collects the outcome.
        stream: random numbers of each case for the start; None starts from the case itself.
        steps, alpha_max, eta, beta: as in `FAB`.
    """
    norm = nearest.threat.norm
    alive = nearest.alive()
    objective, box = objective[alive], nearest.box[alive]
    moved = box.origins.clone() if stream is None else _start(nearest, alive, stream[alive])
    for _ in range(steps):
        if len(alive) == 0:
            return
        gap, normal = linearise(target, moved, objective, norm)
        moved = _step(moved, gap, normal, box, norm, alpha_max, eta)
        fooled = objective.goals.reached(target(moved)).nonzero().squeeze(1)
        if len(fooled) == 0:
            continue
        change = moved[fooled] - box.origins[fooled]
        nearest.offer(alive[fooled], moved[fooled], lp_norm(change, norm))
        moved[fooled] = change.mul_(beta).add_(box.origins[fooled])
        done = nearest.found[alive]
        if int(done.sum()) > _DROP_SHARE * len(done):
            stay = (~done).nonzero().squeeze(1)
            alive, moved, objective, box = alive[stay], moved[stay], objective[stay], box[stay]
    nearest.last_resort(alive, moved)


def towards(target: Differentiable, moved: Tensor, objective: Objective, norm: str | int) -> tuple[Tensor, Tensor]:
    """The linearised boundary of an objective with one value per case."""
    answer = target.gradient(moved, objective)
    return answer.values, answer.gradient


def check_shares(alpha_max: float, beta: float) -> None:
    """Raises InvalidSpec unless both lie in [0, 1]."""
    if not (0 <= alpha_max <= 1 and 0 <= beta <= 1):
        raise InvalidSpec(f"FAB needs alpha_max and beta in [0, 1]; got {alpha_max} and {beta}.")


def _leads(logits: Tensor, goals: Any, _: Tensor | None) -> Tensor:
    """Every class's lead over the label, shape (batch, class)."""
    return goals.lead(goals.classes(logits), logits)


def _nearest_class(
    target: Differentiable, moved: Tensor, objective: Objective, norm: str | int
) -> tuple[Tensor, Tensor]:
    answer: Gradient = target.jacobian(moved, objective)
    leads, slopes = answer.values, answer.gradient.flatten(2)
    dual = {"inf": slopes.abs().sum(2), 2: slopes.norm(dim=2), 1: slopes.abs().amax(2)}[norm]
    labels = objective.goals.labels[:, None]  # type: ignore[attr-defined]
    far = (leads.abs() / dual.clamp_min(1e-12)).scatter(1, labels, torch.inf)
    rows, chosen = torch.arange(len(moved), device=moved.device), far.argmin(1)
    return leads[rows, chosen], answer.gradient[rows, chosen]


def _step(
    moved: Tensor, gap: Tensor, normal: Tensor, box: Any, norm: str | int, alpha_max: float, eta: float
) -> Tensor:
    """The paper's equation 9: mostly the step from here, partly the one from the original, both past the boundary."""
    shape, count = moved.shape, len(moved)
    normal = normal.flatten(1)
    here, origin = moved.flatten(1), box.origins.flatten(1)
    points = torch.cat((here, origin))
    # normal . (point + change) = normal . here - gap
    gaps = torch.cat((-gap, torch.linalg.vecdot(normal, here - origin) - gap))
    low = box.low.flatten(1).repeat(2, 1).sub_(points).clamp_max_(0)
    high = box.high.flatten(1).repeat(2, 1).sub_(points).clamp_min_(0)
    change = onto_hyperplane(normal.repeat(2, 1), gaps, low, high, norm)
    length = lp_norm(change, norm).clamp_min_(1e-8)
    alpha = (length[:count] / (length[:count] + length[count:])).clamp_max_(alpha_max)[:, None]
    points.add_(change, alpha=eta)
    mixed = torch.lerp(points[:count], points[count:], alpha).reshape(shape)
    return torch.clamp(mixed, box.low, box.high, out=mixed)


def _start(nearest: Nearest, alive: Tensor, stream: Stream) -> Tensor:
    """Half way to a random point of the ball, no farther than half the nearest adversarial input is."""
    ball = nearest.ball[alive]
    shape = ball.radius.shape
    share = (nearest.distances[alive] / nearest.radius[alive].clamp_min(1e-12)).clamp_max(1.0).reshape(shape)
    return (ball.sample(stream) - ball.origins).mul_(share / 2).add_(ball.origins)
