"""Universal perturbation: one change, learned once, that fools the target on most inputs."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from sparring.attack.physical.worst import offer, untouched_first
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import BallRegion, LpBall
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Universal(Attack[Differentiable, Cases, LpBall]):
    """One perturbation in the ball for all cases, learned by stochastic gradient ascent on other cases.

    `prepare` learns it and returns the attack that holds it; running an attack that was not prepared learns it on the
    very cases it attacks, which flatters it.

    Paper: Moosavi-Dezfooli et al., 2017, arXiv:1610.08401, define it; the ascent with a clipped loss is Shafahi et
    al., 2018, arXiv:1811.11304, algorithm 2.
    Differs: the step is the steepest one of the threat's norm and shrinks linearly to nothing; each case's sum is
    projected into its box.
    Cost: `epochs` forwards and input-backwards per case learned from. Cost per case: 2 forwards, one of them for the
    untouched case, and the cost of learning where `prepare` was not called.

    Args:
        epochs: passes over the cases learned from.
        step_size: first step / threat radius.
        batch: cases per step.
        clip: loss from which on a case counts no more, so that none outweighs the rest.
        change: what was learned, one input's shape.

    Raises:
        InvalidSpec: if a setting is not positive, or the radius is not one number.
    """

    family = "universal"
    epochs: int = 10
    step_size: float = 0.25
    batch: int = 64
    clip: float = 9.0
    change: Tensor | None = field(default=None, compare=False, repr=False, metadata=LEARNED)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.step_size > 0 or not self.clip > 0:
            raise InvalidSpec(
                "Universal needs positive epochs, step_size, batch and clip; "
                f"got {self.epochs}, {self.step_size}, {self.batch} and {self.clip}."
            )

    def cost(self, target: Target) -> int:
        return 2 if self.change is not None else 2 + self.epochs

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        if isinstance(threat, LpBall) and torch.as_tensor(threat.radius).numel() != 1:
            raise InvalidSpec(f"{self.name} needs one radius for all cases; the threat has one for each.")

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "Universal":
        self.check(target, threat)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        return replace(self, change=self._learn(target, cases, threat, Seed.of(seed)))  # type: ignore[arg-type]

    def search(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        ready = self if self.change is not None else self.prepare(target, cases, threat, seed=seed)
        change = ready.change
        assert change is not None
        if change.shape != cases.inputs.shape[1:]:
            raise InvalidCases(
                f"{self.name} learned a change of shape {tuple(change.shape)}; got inputs of shape "
                f"{tuple(cases.inputs.shape[1:])}. Prepare it on cases like those it is to attack."
            )
        best = untouched_first(target, cases)
        alive = best.alive()
        if len(alive):
            origins = cases.inputs[alive]
            moved = threat.around(origins).project_(origins + change.to(origins.device))
            offer(target, cases.goals, best, alive, moved)
        return Attempts(best.inputs, best.found)

    def _learn(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Tensor:
        first = target.place(cases[0:1]).inputs
        change, around_zero = torch.zeros_like(first), free_ball(threat, first)
        generator = seed.child("universal").generator()
        updates, done = self.epochs * -(-len(cases) // self.batch), 0
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(cases), generator=generator).split(self.batch):
                block = target.place(cases[chosen])
                moved = threat.around(block.inputs).project_(block.inputs + change)
                goals = block.goals
                gradient = target.gradient(moved, lambda outputs, goals=goals: goals.loss(outputs).clamp(max=self.clip))
                direction = around_zero.steepest(gradient.gradient.sum(0, keepdim=True))
                size = self.step_size * (1 - done / updates)
                change = around_zero.project_(change + direction * around_zero.radius * size)
                done += 1
        return change[0]


def free_ball(threat: LpBall, like: Tensor) -> BallRegion:
    """The threat's ball of changes around zero, without the box, which differs from case to case."""
    region = replace(threat, low=-torch.inf, high=torch.inf).around(torch.zeros_like(like))
    assert isinstance(region, BallRegion)
    return region
