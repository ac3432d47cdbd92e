"""Targets: what is under test, and the ladder of what an attacker may use of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import BadTarget
from sparring.core.goal import decisions
from sparring.core.panel import Panel


@dataclass
class Meter:
    """What a target was asked to do, counted per case (a batch of 8 counts 8)."""

    forwards: int = 0
    input_backwards: int = 0
    weight_backwards: int = 0

    @property
    def cost(self) -> int:
        """In forwards: an input-backward counts 1 more, a weight-backward 2 more."""
        return self.forwards + self.input_backwards + 2 * self.weight_backwards


@dataclass(frozen=True)
class Hardening:
    """One step of a target's history: which defence, which families it saw, what it cost.

    Args:
        seconds: of training and its validation, over all interruptions.
        forwards: cost of the training alone, in forwards (see `Meter.cost`).
        notes: sentences for the report, such as overfitting that was seen.
        history: one row of figures per epoch.
        panels: pictures of what was learned beside the weights, such as a generator's samples.
    """

    defence: str
    families: tuple[str, ...] = ()
    seconds: float = 0.0
    forwards: int = 0
    notes: tuple[str, ...] = ()
    history: tuple[dict[str, float], ...] = field(default=(), repr=False, compare=False)
    panels: tuple[Panel, ...] = field(default=(), repr=False, compare=False)


class Target(ABC):
    """Anything that answers a batch. `respond` is the one method to write.

    `__call__` meters and checks. `replays` says whether the same input always gives the same answer;
    `lineage` says which defences made this target what it is.
    """

    replays: bool = True
    lineage: tuple[Hardening, ...] = ()

    @abstractmethod
    def respond(self, inputs: Any) -> Any:
        """One answer per input, in the same order."""

    def __call__(self, inputs: Any) -> Any:
        """Answers a batch, counting one forward per case.

        Raises:
            BadTarget: if another number of answers comes back.
        """
        outputs = self.respond(inputs)
        self.meter.forwards += len(inputs)
        check_size(self, inputs, outputs)
        return outputs

    @cached_property
    def meter(self) -> Meter:
        return Meter()

    @cached_property
    def name(self) -> str:
        return type(self).__name__

    @property
    def stand_in(self) -> "Target":
        """A differentiable target that behaves much like this one, for an attacker who knows how it is built.

        Itself, unless something inside hides the gradient.
        """
        return self

    @property
    def bare(self) -> "Target":
        """This target without the mitigation around it; itself where there is none."""
        return self

    def place(self, cases: Cases) -> Cases:
        """The cases as this target wants them: on its device, in its number type."""
        return cases

    def check(self, cases: Cases) -> None:
        """Raises InvalidCases if these cases cannot be asked of this target."""

    def exhibit(self, cases: Cases, attempts: Any) -> list[tuple[Panel, ...]]:
        """What a person would want to see of each attempt: here, both inputs and both answers as text."""
        before, after = self.respond(cases.inputs), self.respond(attempts)
        rows = zip(cases.inputs, before, attempts, after, strict=True)
        return [
            (Panel("untouched", f"{clean}\n\n{answer}"), Panel("attacked", f"{attempt}\n\n{reply}"))
            for clean, answer, attempt, reply in rows
        ]

    def fingerprint(self) -> str:
        """Tells two targets apart in a record: a digest of weights, or a name."""
        return self.name


class Labelled(Target):
    """A classifier that may reveal no more than a class. `respond` gives labels, int64, shape (batch,)."""

    classes: int

    def decide(self, inputs: Any) -> Tensor:
        """The class of each input, int64, shape (batch,)."""
        return decisions(self(inputs))


class Scored(Labelled):
    """A classifier that reveals scores. `respond` gives logits or probabilities, shape (batch, class)."""


class Gradient(NamedTuple):
    """Loss per case (batch,), outputs, and the loss's gradient in the input's shape."""

    values: Tensor
    outputs: Any
    gradient: Tensor


class Differentiable(Target):
    """A target whose answers have gradients with respect to its inputs. `forward` is the method to write."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Answers with a graph behind them, in evaluation mode unless inside `training()`."""

    def respond(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return self.forward(inputs)

    def gradient(self, inputs: Tensor, loss: Callable[[Any], Tensor]) -> Gradient:
        """One forward and one input-backward of `loss(outputs)`, shape (batch,).

        The loss is summed, so that no case's gradient depends on its batch; weights collect no `.grad`.
        A loss that does not reach the input gives zeros.
        """
        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            outputs = self.forward(inputs)
            check_size(self, inputs, outputs)
            values = loss(outputs)
            gradient = _input_gradient(values.sum(), inputs, keep=False)
        self.meter.forwards += len(inputs)
        self.meter.input_backwards += len(inputs)
        return Gradient(values.detach(), outputs.detach(), gradient)

    def jacobian(self, inputs: Tensor, loss: Callable[[Any], Tensor]) -> Gradient:
        """One forward and an input-backward for each of the k columns of `loss(outputs)`, shape (batch, k).

        The gradient has shape (batch, k, ...).
        """
        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            outputs = self.forward(inputs)
            check_size(self, inputs, outputs)
            values = loss(outputs)
            last = values.shape[1] - 1
            columns = [_input_gradient(values[:, k].sum(), inputs, keep=k < last) for k in range(last + 1)]
        self.meter.forwards += len(inputs)
        self.meter.input_backwards += len(inputs) * values.shape[1]
        return Gradient(values.detach(), outputs.detach(), torch.stack(columns, 1))


class Trainable(Differentiable):
    """A differentiable target with weights that a defence may change, on a copy."""

    module: torch.nn.Module

    @abstractmethod
    def training(self) -> AbstractContextManager[None]:
        """Inside, forwards run in training mode (batch statistics, dropout); modes are restored after."""

    @abstractmethod
    def copy(self) -> Self:
        """A target of its own with equal weights, and a meter at zero."""


def check_size(target: Target, inputs: Any, outputs: Any) -> None:
    """Raises BadTarget unless there is one answer per input."""
    if len(outputs) != len(inputs):
        raise BadTarget(
            f"{target.name} was given {len(inputs)} inputs and answered {len(outputs)}. "
            "Return one answer per input, in the same order."
        )


def _input_gradient(total: Tensor, inputs: Tensor, keep: bool) -> Tensor:
    if not total.requires_grad:
        return torch.zeros_like(inputs)
    (gradient,) = torch.autograd.grad(total, inputs, retain_graph=keep, allow_unused=True)
    return torch.zeros_like(inputs) if gradient is None else gradient
