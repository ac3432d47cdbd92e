"""Judges: decide afterwards what became of a case; the border between domains and numbers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch

from sparring.core.cases import Cases


class Outcome(StrEnum):
    """What became of one case under one attack."""

    BROKEN = "broken"
    HELD = "held"
    ALREADY_BROKEN = "already_broken"
    INADMISSIBLE = "inadmissible"
    UNDECIDED = "undecided"
    REFUSED_TO_ATTACK = "refused_to_attack"
    ERROR = "error"
    BANNED = "banned"


@dataclass(frozen=True)
class Datasheet:
    """How well a judge agrees with people, on labels that it never saw.

    Args:
        sensitivity: share of what people call broken that the judge calls broken.
        specificity: share of what people call held that the judge calls held.
        n: labels that this was measured on.
        source: of these labels.
        version: of the judge that was measured.
        trained_on: the data that the judge learned from; empty for rules.
        auroc: area under the ROC curve, where the judge gives a score.
        threshold: on that score.
        positives: how many of the n people call broken; None where that is not told.
        calibration: mean distance, over tenths of the scores, of score and share called broken; 0 is best.
    """

    sensitivity: float
    specificity: float
    n: int
    source: str = ""
    version: str = ""
    trained_on: str = ""
    auroc: float | None = None
    threshold: float | None = None
    positives: int | None = None
    calibration: float | None = None


class Judge(ABC):
    """Grades what the target answered. It never sees which attack made the input.

    A change that can move a grade is a new `version`; scorecards of different versions are not compared.
    """

    version: str = "1"
    datasheet: Datasheet | None = None

    @property
    def name(self) -> str:
        return f"{type(self).__name__} {self.version}"

    @property
    def datasheets(self) -> dict[str, Datasheet]:
        """The datasheet for each group of cases (by the part of its name before a `/`); "" stands for all."""
        return {} if self.datasheet is None else {"": self.datasheet}

    @abstractmethod
    def grade(self, cases: Cases, inputs: Any, outputs: Any) -> Sequence[Outcome]:
        """BROKEN, HELD or UNDECIDED for each case."""

    def degrees(self, cases: Cases, inputs: Any, outputs: Any) -> Sequence[float | None] | None:
        """How bad each answer is, in [0, 1], None where there is none; None alone for a judge without such a scale."""
        return None


class GoalReached(Judge):
    """Broken where the case's own goal is reached: for classifiers, where the label changed.

    An input that is the case itself was attacked by nobody, so there a wrong answer counts, a false alarm among them.
    Scores that are not finite decide nothing: the outcome is an error.
    """

    def grade(self, cases: Cases, inputs: Any, outputs: Any) -> list[Outcome]:
        reached = cases.goals.reached(outputs).cpu()
        if isinstance(inputs, torch.Tensor) and isinstance(cases.inputs, torch.Tensor):
            untouched = (inputs == cases.inputs.to(inputs.device)).reshape(len(inputs), -1).all(1).cpu()
            reached = torch.where(untouched, cases.goals.failed(outputs).cpu(), reached)
        usable = torch.isfinite(outputs).reshape(len(outputs), -1).all(1).cpu()
        return [
            (Outcome.BROKEN if broken else Outcome.HELD) if finite else Outcome.ERROR
            for broken, finite in zip(reached.tolist(), usable.tolist(), strict=True)
        ]
