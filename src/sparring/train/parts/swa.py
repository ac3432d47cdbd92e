"""Stochastic weight averaging: the plain mean of the weights at the ends of the later epochs."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.training import Part


@dataclass(frozen=True)
class SWA(Part):
    """Mean of the weights after each epoch that ends later than `start`.

    Paper: Izmailov et al., 2018, arXiv:1803.05407, algorithm 1.
    Differs: running statistics of normalisation are averaged like weights, which spares a pass over the data; the
    learning rate is the schedule's, so choose one that does not fall to zero ("constant", say).

    Args:
        start: share of the training after which epochs count.
    """

    start: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise InvalidSpec(f"SWA needs a start in [0, 1); got {self.start}.")

    def average(self, step: int, total: int, per_epoch: int) -> float:
        before = int(self.start * total) // per_epoch
        counted = step // per_epoch - before
        return 1 / counted if step % per_epoch == 0 and counted > 0 else 0.0
