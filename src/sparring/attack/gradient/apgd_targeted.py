"""Targeted Auto-PGD: one Auto-PGD towards each of the likeliest wrong classes."""

from dataclasses import dataclass

from sparring.attack.gradient.ascent import ascend
from sparring.attack.gradient.losses import likely_targets, targeted_dlr
from sparring.attack.gradient.pgd import Best
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Target
from sparring.core.threat import Projectable


@dataclass(frozen=True)
class APGDTargeted(Attack[Differentiable, Cases, Projectable]):
    """Auto-PGD on the targeted difference of logits ratio, towards one wrong class after the other.

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 4.2.
    Differs: below four classes it climbs the plain margin towards the target; one clean
    forward orders the classes for all targets; any wrong class counts as success, as in AutoAttack; where the goal
    names a class, that is the only target; fooled cases leave.
    Cost per case: `1 + targets * restarts * (steps + 1)` forwards and `targets * restarts * steps` input-backwards.

    Args:
        steps: gradient steps per target and restart.
        targets: how many wrong classes, likeliest first; all of them if there are fewer.
        restarts: independent random starts per target.

    Raises:
        InvalidSpec: if a setting is below 1.
    """

    family = "gradient"
    steps: int = 100
    targets: int = 9
    restarts: int = 1

    def __post_init__(self) -> None:
        if min(self.steps, self.targets, self.restarts) < 1:
            raise InvalidSpec(
                "APGDTargeted needs steps, targets and restarts of 1 or more; "
                f"got {self.steps}, {self.targets} and {self.restarts}."
            )

    def cost(self, target: Target) -> int:
        return 1 + self.targets * self.restarts * (self.steps + 1)

    def search(self, target: Differentiable, cases: Cases, threat: Projectable, seed: Seed) -> Attempts:
        best = Best(cases.inputs)
        logits = target(cases.inputs)
        best.found |= cases.goals.reached(logits)
        for rank, wrong in enumerate(likely_targets(logits, cases.goals, self.targets).unbind(1)):
            objective = targeted_dlr(cases.goals, wrong)
            for restart in range(self.restarts):
                alive = best.alive()
                if len(alive) == 0:
                    return Attempts(best.inputs, best.found)
                stream = seed.child("apgd_targeted", rank, restart).stream(cases.ids, cases.inputs.device)
                ascend(target, threat, objective, cases.inputs, stream, self.steps, alive, best)
        return Attempts(best.inputs, best.found)
