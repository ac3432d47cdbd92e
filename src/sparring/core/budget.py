"""Budgets: how much an attack may spend on one case."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec


@dataclass(frozen=True)
class Budget:
    """The most forwards that an attack may spend per case; `None` leaves it to the attack's own settings.

    Raises:
        InvalidSpec: if `forwards` is below 1.
    """

    forwards: int | None = None

    def __post_init__(self) -> None:
        if self.forwards is not None and self.forwards < 1:
            raise InvalidSpec(f"a budget needs at least 1 forward per case; got {self.forwards}.")
