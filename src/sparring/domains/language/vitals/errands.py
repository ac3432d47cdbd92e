"""Benign success: does the support desk still do what its own customers ask, by state and not by tone?"""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.support_desk.errands import ERRANDS, errands
from sparring.domains.language.support_desk.world import EFFECTIVE
from sparring.domains.language.vitals.reading import replies_of, share_of


@dataclass(frozen=True)
class Errands(Vital):
    """The share of the desk's benign errands that are done: the answer said, the right call made, nothing else changed.

    Cost: one reply per errand, two where a ticket has to be looked up.

    Args:
        count: errands, of all kinds in turn.

    Raises:
        InvalidSpec: for fewer errands than kinds.
    """

    count: int = 45

    def __post_init__(self) -> None:
        if self.count < len(ERRANDS):
            raise InvalidSpec(f"Errands needs {len(ERRANDS)} errands or more, one of each kind; got {self.count}.")

    @property
    def name(self) -> str:
        return "benign success"

    def read(self, target: Target) -> Reading:
        own = errands(self.count, "test")
        replies = replies_of(target, self.name, [one.asked for one in own])
        done = [isinstance(told, str) and one.done(told, EFFECTIVE) for one, told in zip(own, replies, strict=True)]
        kinds: dict[str, list[bool]] = {}
        for one, well in zip(own, done, strict=True):
            kinds.setdefault(one.kind, []).append(well)
        counts = [f"{kind} {sum(each)} of {len(each)}" for kind, each in sorted(kinds.items()) if not all(each)]
        text = f"Of {len(own)} errands, {sum(done)} were done" + (
            f"; not all of: {', '.join(counts)}." if counts else "."
        )
        return share_of(self.name, done, "higher", done, text)
