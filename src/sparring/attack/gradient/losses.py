"""What gradient attacks climb: cross-entropy, the difference of logits ratio, and its targeted form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from sparring.core.cases import take
from sparring.core.goal import ClassifyAs, Goals

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

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 4. Towards a class where the goal names one. A rejection's score
    is no logit to divide by: while it is the second, the ratio would be constant.
    """
    if isinstance(goals, ClassifyAs):
        return targeted_dlr(goals, goals.targets)
    return Objective(goals, lambda logits, goals, _: goals.margin(logits) / _spread(goals.classes(logits), 3))


def targeted_dlr(goals: Goals, targets: Tensor) -> Objective:
    """The targeted difference of logits ratio towards `targets`, int64, shape (batch,).

    Paper: Croce and Hein, 2020, arXiv:2003.01690, section 4.2. Below four classes the denominator is left out: with the
    untargeted one's, the ratio would be constant wherever the target is the third of three. Where the goal names the
    target, the target has to overtake every class and not just the label.
    """

    def ratio(logits: Tensor, goals: Any, targets: Tensor | None) -> Tensor:
        return _lead(logits, goals, targets) / _spread(goals.classes(logits), 4)

    return Objective(goals, ratio, targets)


def lead(goals: Goals, targets: Tensor) -> Objective:
    """The target class's lead over the label (and a rejection), or over every other where the goal names the target."""
    return Objective(goals, _lead, targets)


def likely_targets(logits: Tensor, goals: Goals, count: int) -> Tensor:
    """The wrong classes to try, likeliest first, shape (batch, at most count); just the named one if the goal has one."""
    if isinstance(goals, ClassifyAs):
        return goals.targets[:, None]
    labels = goals.labels[:, None]  # type: ignore[attr-defined]
    others = goals.classes(logits).scatter(1, labels, -torch.inf)
    return others.topk(min(count, others.shape[1] - 1), 1).indices


def _lead(logits: Tensor, goals: Any, targets: Tensor | None) -> Tensor:
    if targets is None or isinstance(goals, ClassifyAs):
        return goals.margin(logits)
    return goals.lead(logits.gather(1, targets[:, None]), logits).squeeze(1)


def _spread(logits: Tensor, rank: int) -> Tensor | float:
    """The first logit minus the third (rank 3) or the mean of third and fourth (rank 4); 1 without that many classes."""
    if logits.shape[1] < rank:
        return 1.0
    top = logits.topk(rank, 1).values
    return top[:, 0] - top[:, 2:].mean(1) + _TINY
