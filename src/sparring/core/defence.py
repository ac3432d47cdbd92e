"""Defences: a function from a target to a new target; the old one stays as it was."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Target


class Defence(ABC):
    """Base of all defences. Subclasses are frozen dataclasses whose fields are their settings.

    Args:
        learns: from data at all; what only wraps a target may not.
        searches: looks by itself for what breaks the target, so its data are places to look at and not breaks.
    """

    needs_target: ClassVar[type] = Target
    learns: ClassVar[bool] = True
    searches: ClassVar[bool] = False

    @property
    def needs_breaks(self) -> bool:
        """Whether its data have to be what broke the target."""
        return self.learns and not self.searches

    def refuse_misfit(self, target: Target) -> None:
        """Raises Incompatible unless this defence works on such a target; asked before any work is done."""
        if not isinstance(target, self.needs_target):
            raise Incompatible(
                f"{self.name} needs a target of the kind {self.needs_target.__name__}; {target.name} is a "
                f"{type(target).__name__}. See: sparring list defences --target {self.needs_target.__name__.lower()}"
            )

    def refuse_data(self, data: Cases) -> None:
        """Raises InvalidCases unless there is enough to learn from; asked before any work is done."""

    def refuse(self, target: Target, data: Cases) -> None:
        """Raises what `harden` would raise for such a target and such data, before any work is done."""
        self.refuse_misfit(target)
        self.refuse_data(data)

    @property
    def families(self) -> tuple[str, ...]:
        """The attack families that this defence learns from; none by default."""
        return ()

    @property
    def name(self) -> str:
        """The module path below `sparring`, or the full path of a third party's class."""
        module = type(self).__module__.removeprefix("sparring.")
        return module if type(self).__module__.startswith("sparring.") else f"{module}.{type(self).__name__}"

    @property
    def effort(self) -> int:
        """Forwards of single items that its training takes, or as many passes of that cost; 0 where that is not known."""
        return 0

    @abstractmethod
    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Target:
        """A new target whose lineage ends with this defence.

        Args:
            target: stays as it was.
            data: cases to learn from.
            seed: same seed, same result.
            workspace: folder for checkpoints; a killed training goes on from there to the same result.
            progress: who to tell.
        """
