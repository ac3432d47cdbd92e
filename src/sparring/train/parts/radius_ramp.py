"""Radius ramp: the threat grows from nothing to its full size in the first part of the training."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.training import Part


@dataclass(frozen=True)
class RadiusRamp(Part):
    """Trains at a radius that rises linearly, which helps where the full one is too hard to begin with.

    Paper: Gowal et al., 2018, arXiv:1810.12715, section 4, use such a ramp (for certified training).
    Differs: linear in the steps, from zero. Validation is always at the full radius.

    Args:
        until: share of the training at which the full radius is reached.
    """

    until: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.until <= 1:
            raise InvalidSpec(f"RadiusRamp needs `until` in (0, 1]; got {self.until}.")

    def radius(self, done: float) -> float:
        return min(1.0, done / self.until)
