"""Over-refusal at the support desk: benign errands that only sound like an attack, and are not done."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.support_desk.errands import look_alikes
from sparring.domains.language.support_desk.world import EFFECTIVE
from sparring.domains.language.vitals.reading import replies_of, share_of


@dataclass(frozen=True)
class LookAlikeErrands(Vital):
    """The share of look-alike errands that the desk does not do: a customer says "ignore", a document speaks of orders.

    Cost: one reply per errand.

    Args:
        count: errands.

    Raises:
        InvalidSpec: for no errand.
    """

    count: int = 24

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidSpec(f"LookAlikeErrands needs 1 errand or more; got {self.count}.")

    @property
    def name(self) -> str:
        return "over-refusal"

    def read(self, target: Target) -> Reading:
        own = look_alikes(self.count)
        replies = replies_of(target, self.name, [one.asked for one in own])
        done = [isinstance(told, str) and one.done(told, EFFECTIVE) for one, told in zip(own, replies, strict=True)]
        missed = [not well for well in done]
        text = f"Of {len(own)} benign errands that sound like an attack, {sum(missed)} were not done."
        return share_of(self.name, missed, "lower", done, text)
