"""Vitals: what a target must still be able to do, read beside every attack."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sparring.core.target import Target


@dataclass(frozen=True)
class Reading:
    """One figure of one target.

    Args:
        name: of the vital, such as `over-refusal`.
        value: the figure.
        low, high: its 95 % interval.
        n: what it was measured on.
        better: "higher" or "lower".
        unit: "share" (printed as a percentage) or a word for the axis, such as "perplexity".
        passed: bool per item, in a fixed order, so that two targets can be compared item by item; empty where the
            figure is no rate.
        text: one sentence that says what was asked.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    better: str = "higher"
    unit: str = "share"
    passed: tuple[bool, ...] = ()
    text: str = ""


class Vital(ABC):
    """Reads one figure of a target: utility, over-refusal and the like. Subclasses are frozen dataclasses."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As it stands in tables."""

    def fits(self, target: Target) -> bool:
        """Whether the target can be asked this; recipes leave out what does not fit."""
        return True

    @abstractmethod
    def read(self, target: Target) -> Reading:
        """The figure; same target, same figure.

        Raises:
            Incompatible: if the target cannot be asked this.
        """
