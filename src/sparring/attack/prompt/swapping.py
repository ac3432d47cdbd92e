"""What the attacks share that swap tokens of a suffix: their settings, and what they need of a target."""

from dataclasses import dataclass

from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.injection import Injection
from sparring.domains.language.suffix import open_chat
from sparring.domains.language.target import Chat


@dataclass(frozen=True)
class Swapping(Attack[Chat, Cases, Injection]):
    """A search that swaps tokens of a suffix, on a chat whose weights are at hand.

    Args:
        steps: swaps at most.
        candidates: suffixes tried per step.
        topk: tokens per place that candidates are drawn from.
        replace: tokens swapped at once.
        length: tokens of the suffix.
        start: what the suffix repeats at the beginning.
        every: steps between two looks at the target's reply.

    Raises:
        InvalidSpec: for a number below 1, or no start.
    """

    steps: int = 250
    candidates: int = 64
    topk: int = 64
    replace: int = 1
    length: int = 20
    start: str = "!"
    every: int = 10

    def __post_init__(self) -> None:
        for name, value in self._counts.items():
            if value < 1:
                raise InvalidSpec(
                    f"{type(self).__name__} needs {', '.join(self._counts)} of 1 or more; got {name}: {value}."
                )
        if not self.start.strip():
            raise InvalidSpec(f"{type(self).__name__} needs a start that is no space; got {self.start!r}.")

    @property
    def _counts(self) -> dict[str, int]:
        names = ("steps", "candidates", "topk", "replace", "length", "every")
        return {name: getattr(self, name) for name in names}

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        open_chat(target)
