"""Validation inside a training: cases held back by id, and a short climb that says how robust the weights are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Trainable
from sparring.core.threat import Projectable, ThreatModel

_BLOCK = 256


@dataclass(frozen=True)
class Validation:
    """Clean accuracy, accuracy after one full step, and after a short projected climb, on the same cases every time.

    The climb is PGD on the case's own goal from a random start (attacks live above this module). It is a yardstick for
    choosing an epoch and for seeing overfitting, not a measurement: measure the result with a suite.
    Cost per epoch and case: `2 * steps + 4` forwards where somebody attacks, 1 where nobody does.

    Args:
        share: of the training data, chosen by id; 0 for none, and then the last epoch is kept.
        most: cases of them that are attacked.
        steps: of the climb.
    """

    share: float = 0.1
    most: int = 500
    steps: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.most < 1 or self.steps < 1:
            raise InvalidSpec(
                "validation needs a share in [0, 1) and at least 1 case and 1 step; "
                f"got {self.share}, {self.most} and {self.steps}."
            )

    def split(self, data: Cases) -> tuple[Cases, Cases]:
        """Cases to learn from, and at most `most` others."""
        train, held = data.split(self.share)
        if len(train) == 0:
            raise InvalidSpec(f"validation share {self.share} leaves none of {len(data)} cases to learn from.")
        return train, held[: self.most]

    def figures(
        self, student: Trainable, held: Cases, threat: ThreatModel | None, seed: Seed, attack: Any = None
    ) -> dict[str, float]:
        """Accuracies under "val_...", with "score" and "tie" to choose the best epoch by.

        Args:
            attack: `perturb`s where the threat has no geometry to climb in.
        """
        clean = _accuracy(student, held, lambda cases: cases.inputs)
        if threat is None:
            return {"val_clean": clean, "score": clean}
        figures = {"val_clean": clean}
        if isinstance(threat, Projectable):
            figures["val_one_step"] = _accuracy(student, held, lambda cases: _one_step(student, cases, threat))
            figures["val_robust"] = _accuracy(student, held, lambda cases: self._climb(student, cases, threat, seed))
        elif attack is not None:
            figures["val_robust"] = _accuracy(
                student, held,
                lambda cases: attack.perturb(
                    student, cases.inputs, cases.goals, threat, seed.stream(cases.ids, cases.inputs.device)
                ),
            )  # fmt: skip
        return figures | {"score": figures.get("val_robust", clean), "tie": clean}

    def _climb(self, student: Trainable, cases: Cases, threat: Projectable, seed: Seed) -> Tensor:
        region = threat.around(cases.inputs)
        moved = region.sample(seed.stream(cases.ids, cases.inputs.device))
        for _ in range(self.steps):
            direction = region.steepest(student.gradient(moved, cases.goals.loss).gradient)
            moved = region.project_(moved + direction * (region.radius * (2.5 / self.steps)))  # type: ignore[attr-defined]
        return moved


def _one_step(student: Trainable, cases: Cases, threat: Projectable) -> Tensor:
    region = threat.around(cases.inputs)
    direction = region.steepest(student.gradient(cases.inputs, cases.goals.loss).gradient)
    return region.project_(cases.inputs + direction * region.radius)  # type: ignore[attr-defined]


@torch.no_grad()
def _accuracy(student: Trainable, held: Cases, inputs: Callable[[Cases], Tensor]) -> float:
    counts = [
        (student(inputs(cases)).argmax(1) == cases.goals.labels).sum() for cases in held.blocks(_BLOCK)
    ]  # fmt: skip
    return float(torch.stack(counts).sum()) / len(held)
