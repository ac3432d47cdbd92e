"""What gradient attacks climb: cross-entropy, the difference of logits ratio, and its targeted form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from sparring.core.cases import take
from sparring.core.goal import ClassifyAs, Goals, margin

_TINY = 1e-12


@dataclass(frozen=True)
class Objective:
    """A loss of logits for a batch of goals; sliceable like the batch.

    Args:
        goals: what the adversary wants.
        formula: from logits, shape (batch, class), goals and targets to values, shape (batch,).
        targets: the wrong class that each case is pulled towards, int64, shape (batch,); None where there is none.
    """

    goals: Goals
    formula: Callable[[Tensor, Any, Tensor | None], Tensor]
    targets: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        return self.formula(logits, self.goals, self.targets)

    def __getitem__(self, index: Tensor) -> Self:
        targets = None if self.targets is None else take(self.targets, index)
        return replace(self, goals=self.goals[index], targets=targets)


def cross_entropy(goals: Goals) -> Objective:
    """The goals' own loss: cross-entropy that goes over to a margin where it has saturated."""
    return Objective(goals, lambda logits, goals, _: goals.loss(logits))


def dlr(goals: Goals) -> Objective:
    """The difference of logits ratio, which no rescaling of the logits changes.

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 4. Towards a class where the goal names one.
    """
    if isinstance(goals, ClassifyAs):
        return targeted_dlr(goals, goals.targets)
    return Objective(goals, lambda logits, goals, _: margin(logits, goals.labels) / _spread(logits, 3))


def targeted_dlr(goals: Goals, targets: Tensor) -> Objective:
    """The targeted difference of logits ratio towards `targets`, int64, shape (batch,).

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 4.2. With three classes the denominator is the untargeted
    one's; with two it is left out.
    """
    return Objective(goals, lambda logits, goals, targets: _lead(logits, goals, targets) / _spread(logits, 4), targets)


def lead(goals: Goals, targets: Tensor) -> Objective:
    """The target class's logit minus the label's: positive where the target has overtaken the label."""
    return Objective(goals, _lead, targets)


def likely_targets(logits: Tensor, goals: Goals, count: int) -> Tensor:
    """The wrong classes to try, likeliest first, shape (batch, at most count); just the named one if the goal has one."""
    if isinstance(goals, ClassifyAs):
        return goals.targets[:, None]
    labels = goals.labels[:, None]  # type: ignore[attr-defined]
    others = logits.scatter(1, labels, -torch.inf)
    return others.topk(min(count, logits.shape[1] - 1), 1).indices


def _lead(logits: Tensor, goals: Any, targets: Tensor | None) -> Tensor:
    assert targets is not None
    return (logits.gather(1, targets[:, None]) - logits.gather(1, goals.labels[:, None])).squeeze(1)


def _spread(logits: Tensor, rank: int) -> Tensor | float:
    classes = logits.shape[1]
    if classes < 3:
        return 1.0
    top = logits.topk(min(rank, classes), 1).values
    if rank == 4 and classes >= 4:
        return top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + _TINY
    return top[:, 0] - top[:, 2] + _TINY
