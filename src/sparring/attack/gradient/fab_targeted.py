"""Targeted fast adaptive boundary attack: one run towards each of the likeliest wrong classes."""

from dataclasses import dataclass

from sparring.attack.gradient.fab import Nearest, check_shares, towards, walk
from sparring.attack.gradient.losses import lead, likely_targets
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Target


@dataclass(frozen=True)
class FABTargeted(Attack[Differentiable, Cases, LpBall]):
    """FAB with one gradient per step instead of one per class, towards one wrong class after the other.

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 5.1 (FAB-T); the walk is arXiv:1907.02044, algorithm 1.
    Differs: as `FAB`; one clean forward orders the classes for all targets; where the goal names a class, that is the
    only target.
    Cost per case: `1 + 2 * targets * restarts * steps` forwards and `targets * restarts * steps` input-backwards.

    Args:
        steps: per target and restart.
        targets: how many wrong classes, likeliest first; all of them if there are fewer.
        restarts: the first from the case itself, the others from random points in half the ball.
        alpha_max, eta, beta: as in `FAB`.

    Raises:
        InvalidSpec: if a count is below 1, or `alpha_max` or `beta` is not in [0, 1].
    """

    family = "gradient"
    steps: int = 100
    targets: int = 9
    restarts: int = 1
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        if min(self.steps, self.targets, self.restarts) < 1:
            raise InvalidSpec(
                "FABTargeted needs steps, targets and restarts of 1 or more; "
                f"got {self.steps}, {self.targets} and {self.restarts}."
            )
        check_shares(self.alpha_max, self.beta)

    def cost(self, target: Target) -> int:
        return 1 + 2 * self.targets * self.restarts * self.steps

    def search(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        nearest = Nearest(cases, threat, target)
        for rank, wrong in enumerate(likely_targets(nearest.logits, cases.goals, self.targets).unbind(1)):
            objective = lead(cases.goals, wrong)
            for restart in range(self.restarts):
                named = seed.child("fab_targeted", rank, restart)
                stream = named.stream(cases.ids, cases.inputs.device) if restart else None
                walk(target, objective, towards, nearest, stream, self.steps, self.alpha_max, self.eta, self.beta)
        return nearest.attempts()
