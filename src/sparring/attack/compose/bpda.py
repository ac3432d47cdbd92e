"""BPDA: gradient attacks through parts that have no gradient, such as quantisation, JPEG or purification."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from sparring.attack.compose.composed import Composed, check_attack
from sparring.attack.compose.transfer import checked_fingerprint
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Differentiable, Scored, Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class BPDA(Composed):
    """Runs a gradient attack whose answers come from the target and whose gradients come from a stand-in.

    Paper: Athalye et al., 2018, arXiv:1802.00420, section 4.1 (backward pass differentiable approximation).
    Differs: the stand-in replaces the whole target; build it from the target's own parts with `straight_through`, or
    leave out the part without a gradient. A target that is its own stand-in meets the attack as it is.
    Cost per case: the attack's cost in forwards of the target, and as much again of the stand-in if it is another.

    Args:
        attack: what to run.
        stand_in: a differentiable target that behaves much like the real one; None for the one that the target brings,
            such as a purified classifier without its rounding.
        fingerprint: tells two stand-ins apart in a record; follows from the stand-in.

    Raises:
        InvalidSpec: if `attack` is no attack, or the stand-in is not the one of the fingerprint.
        Incompatible: at the run, if the stand-in has no gradients.
    """

    attack: Attack[Any, Any, Any] = PGD(steps=10)
    stand_in: Target | None = field(default=None, compare=False, metadata=LEARNED)
    fingerprint: str = ""

    needs_target = Scored  # type: ignore[assignment]

    def __post_init__(self) -> None:
        check_attack(self.attack, "BPDA")
        object.__setattr__(self, "fingerprint", checked_fingerprint("BPDA", self.stand_in, self.fingerprint))

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    def cost(self, target: Target) -> int:
        return self.attack.cost(target)

    def within(self, budget: Budget, target: Target) -> Self:
        return dataclasses.replace(self, attack=self.attack.within(budget, target))

    def check(self, target: Target, threat: ThreatModel) -> None:
        Attack.check(self, target, threat)
        self.attack.check(self._bypass(target), threat)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        return super().prepare(self._bypass(target), cases, threat, seed=seed, workspace=workspace)

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        return self.attack.run(self._bypass(target), cases, threat, seed=seed)

    def _bypass(self, target: Target) -> Target:
        stand_in = target.stand_in if self.stand_in is None else self.stand_in
        if not isinstance(stand_in, Differentiable):
            whose = f"{target.name} brings" if self.stand_in is None else "BPDA was given"
            raise Incompatible(
                f"{self.name} needs a stand-in that is Differentiable; {whose} a {type(stand_in).__name__}. "
                "Pass BPDA(attack, stand_in=Classifier(...))."
            )
        return target if stand_in is target else Bypass(target, stand_in)


class Bypass(Scored, Differentiable):
    """A target whose answers are the real one's and whose gradients are a stand-in's.

    Args:
        target: a Scored target; its meter counts every forward.
        guide: gives the gradients; both must have scores of one shape.
    """

    def __init__(self, target: Any, guide: Any) -> None:
        self.target, self.guide = target, guide
        self.classes, self.name, self.replays = target.classes, target.name, target.replays

    def forward(self, inputs: Tensor) -> Tensor:
        return _Detour.apply(inputs, self.target, self.guide.forward)

    def respond(self, inputs: Tensor) -> Tensor:
        return self.target(inputs)


class StraightThrough(nn.Module):
    """A module that computes one function and differentiates another."""

    def __init__(self, function: Callable[[Tensor], Tensor], backward: Callable[[Tensor], Tensor] | None) -> None:
        super().__init__()
        self.function, self.backward = function, backward

    def forward(self, inputs: Tensor) -> Tensor:
        return _Detour.apply(inputs, self.function, self.backward)


def straight_through(
    function: Callable[[Tensor], Tensor], backward: Callable[[Tensor], Tensor] | None = None
) -> StraightThrough:
    """`function` as a module whose gradient is that of `backward`: put it in front of a net, inside a Classifier.

    Args:
        function: tensors (batch, ...) to tensors; it may round, encode or search.
        backward: a differentiable function that is close to it; None for the identity, where shapes stay the same.
    """
    return StraightThrough(function, backward)


class _Detour(torch.autograd.Function):
    """Forward through one function, backward through another at the same input."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, function: Any, backward: Any) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inputs)
        ctx.detour = backward
        with torch.no_grad():
            outputs = function(inputs)
        return outputs.clone() if outputs is inputs else outputs

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, None]:
        (gradient,) = grad_outputs
        if ctx.detour is None:
            return gradient, None, None
        (inputs,) = ctx.saved_tensors
        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            (result,) = torch.autograd.grad(ctx.detour(inputs), inputs, gradient)
        return result, None, None
