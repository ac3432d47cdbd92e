"""Exponential moving average of the weights: the student that is kept is smoother than the one that learns."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.training import Part


@dataclass(frozen=True)
class EMA(Part):
    """Averaged weights move by `1 - decay` towards the weights after each step.

    Paper: Polyak and Juditsky, 1992; in adversarial training Gowal et al., 2020, arXiv:2010.03593, section 4.2.
    Differs: while young the average forgets faster, with decay (1 + step) / (10 + step); running statistics of
    normalisation are averaged like weights.

    Args:
        decay: share of the old average that stays, per step.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise InvalidSpec(f"EMA needs a decay in [0, 1); got {self.decay}.")

    def average(self, step: int, total: int, per_epoch: int) -> float:
        return 1 - min(self.decay, (1 + step) / (10 + step))
