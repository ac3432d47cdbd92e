"""Auto-PGD: gradient ascent with momentum that halves its own step, so that nothing has to be tuned."""

from dataclasses import dataclass

from sparring.attack.gradient.ascent import ascend
from sparring.attack.gradient.losses import cross_entropy, dlr
from sparring.attack.gradient.pgd import Best
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Target
from sparring.core.threat import Projectable

_LOSSES = {"ce": cross_entropy, "dlr": dlr}


@dataclass(frozen=True)
class APGD(Attack[Differentiable, Cases, Projectable]):
    """Auto-PGD on cross-entropy or on the difference of logits ratio (DLR).

    Paper: Croce and Hein, 2020, arXiv:2003.01690, algorithm 1; for L1 their arXiv:2103.01208, with its radii of three
    and two times the threat's on the way in.
    Differs: cross-entropy goes over to a logit margin where it has saturated; DLR falls back to the margin for two
    classes; the last gradient, which no step would use, is not taken; fooled cases leave the batch, which changes no
    verdict; goals may name a class.
    Cost per case: `restarts * (steps + 1)` forwards and `restarts * steps` input-backwards (L1: two fewer).

    Args:
        loss: "ce" or "dlr".
        steps: gradient steps per restart.
        restarts: independent random starts.

    Raises:
        InvalidSpec: for another loss, or if `steps` or `restarts` is below 1.
    """

    family = "gradient"
    loss: str = "ce"
    steps: int = 100
    restarts: int = 1

    def __post_init__(self) -> None:
        if self.loss not in _LOSSES:
            raise InvalidSpec(f"APGD climbs 'ce' or 'dlr'; got loss={self.loss!r}. For targeted DLR use APGDTargeted.")
        if self.steps < 1 or self.restarts < 1:
            raise InvalidSpec(f"APGD needs steps and restarts of 1 or more; got {self.steps} and {self.restarts}.")

    def cost(self, target: Target) -> int:
        return self.restarts * (self.steps + 1)

    def search(self, target: Differentiable, cases: Cases, threat: Projectable, seed: Seed) -> Attempts:
        best = Best(cases.inputs)
        objective = _LOSSES[self.loss](cases.goals)
        for restart in range(self.restarts):
            alive = best.alive()
            if len(alive) == 0:
                break
            stream = seed.child("apgd", restart).stream(cases.ids, cases.inputs.device)
            ascend(target, threat, objective, cases.inputs, stream, self.steps, alive, best)
        return Attempts(best.inputs, best.found)
