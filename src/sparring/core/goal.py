"""Goals of classification: away from a label, or towards another one or one of several."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from sparring.core.cases import take
from sparring.core.errors import Incompatible

_SATURATED = 1e-6  # below this cross-entropy the float32 gradient is mostly rounding


class Goals(ABC):
    """What the adversary wants of each case of a batch; sliceable like the cases."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: Any) -> Self: ...

    @abstractmethod
    def loss(self, outputs: Any) -> Tensor:
        """What a first-order attack maximises, shape (batch,)."""

    @abstractmethod
    def reached(self, outputs: Any) -> Tensor:
        """Bool, shape (batch,): whether the outputs are what the adversary wants."""

    def margin(self, outputs: Any) -> Tensor:
        """By how much the scores reach the goal (positive) or miss it (negative), shape (batch,)."""
        raise Incompatible(f"{type(self).__name__} has no margin, so a search on scores cannot climb it.")


@dataclass(frozen=True)
class Misclassify(Goals):
    """Any class but the label.

    The loss is cross-entropy; where that has saturated (below 1e-6, where float32 gradients vanish) it goes on
    as a logit margin, continuous at the seam, so that a confident net cannot hide behind underflow.

    Args:
        labels: int64, shape (batch,).
    """

    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "Misclassify":
        return Misclassify(take(self.labels, index))

    def loss(self, outputs: Tensor) -> Tensor:
        return _unsaturated(outputs, self.labels)

    def reached(self, outputs: Tensor) -> Tensor:
        return decisions(outputs) != self.labels.to(outputs.device)

    def margin(self, outputs: Tensor) -> Tensor:
        return margin(outputs, self.labels)


@dataclass(frozen=True)
class ClassifyAs(Goals):
    """One class that the adversary names.

    Args:
        targets: int64, shape (batch,): the class wanted.
        labels: int64, shape (batch,): the true class.
    """

    targets: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "ClassifyAs":
        return ClassifyAs(take(self.targets, index), take(self.labels, index))

    def loss(self, outputs: Tensor) -> Tensor:
        return -torch.nn.functional.cross_entropy(outputs, self.targets, reduction="none")

    def reached(self, outputs: Tensor) -> Tensor:
        return decisions(outputs) == self.targets.to(outputs.device)

    def margin(self, outputs: Tensor) -> Tensor:
        return -margin(outputs, self.targets)


@dataclass(frozen=True)
class ClassifyAmong(Goals):
    """Any of some classes that the adversary would be content with, the same for all cases.

    Args:
        wanted: class numbers.
        labels: int64, shape (batch,): the true class.
    """

    wanted: tuple[int, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "ClassifyAmong":
        return ClassifyAmong(self.wanted, take(self.labels, index))

    def loss(self, outputs: Tensor) -> Tensor:
        """Logarithm of the probability of all wanted classes together."""
        return outputs[:, list(self.wanted)].logsumexp(1) - outputs.logsumexp(1)

    def reached(self, outputs: Tensor) -> Tensor:
        chosen = decisions(outputs)
        return torch.isin(chosen, torch.tensor(self.wanted, device=chosen.device))


def decisions(outputs: Tensor) -> Tensor:
    """Class per case, from scores of shape (batch, class) or labels of shape (batch,)."""
    return outputs.argmax(1) if outputs.ndim == 2 else outputs


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Largest other logit minus the label's, shape (batch,): positive means misclassified."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return others - own


def _unsaturated(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    saturated = entropy.detach() < _SATURATED
    if not bool(saturated.any()):
        return entropy
    linear = margin(logits, labels) + 13.815511  # -log(1e-6): the margin at the seam of two classes
    return torch.where(saturated, linear.clamp(max=_SATURATED), entropy)
