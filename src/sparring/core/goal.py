"""Goals of classification: away from a label, past a rejection too, or towards another one or one of several."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from sparring.core.cases import take
from sparring.core.errors import Incompatible

_SATURATED = 1e-6  # below this cross-entropy the float32 gradient is mostly rounding
_TINY = 1e-24  # keeps the slope of a square root finite at zero


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

    def failed(self, outputs: Any) -> Tensor:
        """Bool, shape (batch,): whether these outputs for the untouched cases are wrong."""
        return self.reached(outputs)

    def facing(self, rejected: int | None) -> "Goals":
        """The same wish of a target that may answer "rejected".

        Args:
            rejected: number of that answer, after those of all classes; None for a target that always names a class.
        """
        return self

    def classes(self, scores: Tensor) -> Tensor:
        """Of the scores those of classes, shape (batch, class)."""
        return scores

    def lead(self, wrong: Tensor, scores: Tensor) -> Tensor:
        """By how much wrong classes are ahead of what stands against them, in the shape of `wrong`, (batch, any)."""
        return wrong - scores.gather(1, self.labels[:, None])  # type: ignore[attr-defined]

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

    def facing(self, rejected: int | None) -> Goals:
        return self if rejected is None else Evade(self.labels, rejected)

    def margin(self, outputs: Tensor) -> Tensor:
        return margin(outputs, self.labels)


@dataclass(frozen=True)
class Evade(Goals):
    """Any class but the label, from a target that may also reject its input.

    The loss is the log odds of all wrong classes together against label and rejection. Its slope in the scores never
    vanishes, however sure the target is, and it turns to whichever of the two stands in the way.

    A lead over both is Fischer and Burmeister's a + b - sqrt(a^2 + b^2): positive just where both are, close to the
    smaller one, and it grows with the scores as they do. The smaller one itself lets a search forget the label while
    it escapes from the detector, and the other way round, which leaves attacks on the margin short of what is possible.

    Paper: Carlini and Wagner, 2017, arXiv:1705.07263, section 3 (classifier and detector as one net of one class more);
    Fischer, 1992, doi:10.1080/02331939208843795.
    Differs: log odds and this lead in the place of a hinge.

    Args:
        labels: int64, shape (batch,).
        rejected: number of the answer "rejected", after those of all classes.
    """

    labels: Tensor
    rejected: int

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "Evade":
        return Evade(take(self.labels, index), self.rejected)

    def loss(self, outputs: Tensor) -> Tensor:
        label = outputs.gather(1, self.labels[:, None]).squeeze(1)
        return self._wrong(outputs).logsumexp(1) - torch.logaddexp(label, outputs[:, self.rejected])

    def reached(self, outputs: Tensor) -> Tensor:
        chosen = decisions(outputs)
        return (chosen != self.labels.to(chosen.device)) & (chosen != self.rejected)

    def failed(self, outputs: Tensor) -> Tensor:
        """A rejected untouched case is a wrong answer."""
        return decisions(outputs) != self.labels.to(outputs.device)

    def facing(self, rejected: int | None) -> Goals:
        return Misclassify(self.labels).facing(rejected)

    def classes(self, scores: Tensor) -> Tensor:
        return scores[:, : self.rejected]

    def lead(self, wrong: Tensor, scores: Tensor) -> Tensor:
        past_label, past_rejection = super().lead(wrong, scores), wrong - scores[:, self.rejected, None]
        squares = (past_label.square() + past_rejection.square()).clamp_min(_TINY)
        return past_label + past_rejection - squares.sqrt()

    def margin(self, outputs: Tensor) -> Tensor:
        return self.lead(self._wrong(outputs).amax(1, keepdim=True), outputs).squeeze(1)

    def _wrong(self, scores: Tensor) -> Tensor:
        """The scores of classes with that of the label out of reach."""
        return self.classes(scores).scatter(1, self.labels[:, None], -torch.inf)


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
