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


@dataclass(frozen=True)
class Datasheet:
    """How well a learned judge agrees with people, on labels that it never saw."""

    sensitivity: float
    specificity: float
    n: int
    source: str = ""


class Judge(ABC):
    """Grades what the target answered. It never sees which attack made the input.

    A change that can move a grade is a new `version`; scorecards of different versions are not compared.
    """

    version: str = "1"
    datasheet: Datasheet | None = None

    @property
    def name(self) -> str:
        return f"{type(self).__name__} {self.version}"

    @abstractmethod
    def grade(self, cases: Cases, inputs: Any, outputs: Any) -> Sequence[Outcome]:
        """BROKEN, HELD or UNDECIDED for each case."""


class GoalReached(Judge):
    """Broken where the case's own goal is reached: for classifiers, where the label changed.

    Scores that are not finite decide nothing: the outcome is an error.
    """

    def grade(self, cases: Cases, inputs: Any, outputs: Any) -> list[Outcome]:
        reached = cases.goals.reached(outputs).cpu()
        usable = torch.isfinite(outputs).reshape(len(outputs), -1).all(1).cpu()
        return [
            (Outcome.BROKEN if broken else Outcome.HELD) if finite else Outcome.ERROR
            for broken, finite in zip(reached.tolist(), usable.tolist(), strict=True)
        ]
