"""Stack: several defences, each on top of what the one before it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.language.target import Chat
from sparring.mitigate.wrapped import Wrapped


@dataclass(frozen=True)
class Stack(Defence):
    """Carries out defences in order. Those that change weights go first: what is wrapped has none that a training could change.

    Paper: none; defence in depth.
    Differs: nothing to differ from. What wraps a chat learns from the target as it was, whose failures these are; what
    wraps a classifier learns from the one that it wraps; what changes weights goes on from the weights before it.
    Cost: that of its parts together.

    Args:
        parts: defences.

    Raises:
        InvalidSpec: for no parts.
    """

    parts: Sequence[Defence] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts or not all(isinstance(part, Defence) for part in self.parts):
            raise InvalidSpec(f"Stack needs defences, such as [SafeReply(), Blocklist()]; got {self.parts!r}.")

    def refuse_misfit(self, target: Target) -> None:
        super().refuse_misfit(target)
        for part in self.parts:
            part.refuse_misfit(target)

    def refuse(self, target: Target, data: Cases) -> None:
        for part in self.parts:
            part.refuse(target, data)

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return any(part.learns for part in self.parts)

    @property
    def searches(self) -> bool:  # type: ignore[override]
        """Whether a part wants untouched cases: failures would teach it that attacks are ordinary."""
        return any(part.searches for part in self.parts)

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(family for part in self.parts for family in part.families))

    @property
    def effort(self) -> int:
        return sum(part.effort for part in self.parts)

    def harden(
        self,
        target: Target,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Any:
        """The target after the last part; its lineage names them all.

        Raises:
            Incompatible: if a part cannot use what the part before it made.
        """
        for part in self.parts:
            part.refuse_data(data)
        current: Any = target
        for number, part in enumerate(self.parts):
            place = None if workspace is None else Path(workspace) / f"part-{number + 1}"
            own = Seed.of(seed).child("part", number)
            on_top = current is not target and isinstance(current, Chat) and _wraps(part)
            made: Any = part.harden(target if on_top else current, data, seed=own, workspace=place, progress=progress)
            current = made.around(current) if on_top and isinstance(made, Wrapped) else made
        return current


def _wraps(part: Defence) -> bool:
    """Whether a part only wraps: the folder says so."""
    return type(part).__module__.startswith("sparring.mitigate.") and not isinstance(part, Stack)
