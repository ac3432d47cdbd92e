"""Progress: whom a long loop tells how far it is."""

from typing import Protocol


class Progress(Protocol):
    """A sink for progress; the command line draws bars with it."""

    def start(self, name: str, total: int) -> None:
        """A named piece of work of `total` units begins, or begins again."""

    def advance(self, name: str, amount: int = 1, note: str = "") -> None:
        """So much more of it is done; `note` is a short figure to show."""


class Silent:
    """Tells nobody."""

    def start(self, name: str, total: int) -> None:
        pass

    def advance(self, name: str, amount: int = 1, note: str = "") -> None:
        pass
