"""Phrase blacklist: replies that hold what the failures hold, and benign replies do not, are replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.failures import REFUSAL, benign_replies, broken_replies
from sparring.domains.language.phrases import Shape
from sparring.domains.language.target import Chat, Unanswered
from sparring.mitigate.wrapped import Wrapped

Phrase = tuple[str, ...]
_DRAWN = 1000  # the number of the first further sample, far from those that a campaign asks for


@dataclass(frozen=True)
class Blocklist(Defence):
    """Learns phrases of the failures' replies under a budget of false alarms, and keeps replies with them back.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 7.1, which proposes a blacklist and measures none.
    Differs: phrases are runs of words or of shapes (a row of seven digits or more, an e-mail address, a URL), so a telephone
    number that was never seen is caught by its shape; they are chosen greedily by how many failures each adds, while
    the chosen together stay within the budget on benign texts. Matching survives case, spacing, punctuation, accents
    and look-alike letters.
    Cost: one more reply for each one that is held back, `samples` times at most; no training.

    Args:
        benign: texts that must pass; by default the target's own replies to benign questions.
        budget: share of the benign texts that may be held back wrongly.
        longest: units of a phrase.
        support: failures that a phrase must be found in (fewer where there are fewer).
        samples: further replies to try before the refusal.
        refusal: what is said instead.
        harms: whose judges say which replies are the failures; without them all replies to the data are.
        families: that the failures come from.

    Raises:
        InvalidSpec: for settings that mean nothing.
    """

    benign: tuple[str, ...] | None = None
    budget: float = 0.01
    longest: int = 4
    support: int = 2
    samples: int = 1
    refusal: str = REFUSAL
    harms: tuple[Any, ...] = ()
    families: tuple[str, ...] = ("zero-shot",)  # type: ignore[assignment]

    needs_target = Chat

    def __post_init__(self) -> None:
        for name in ("benign", "harms", "families"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        if not 0 <= self.budget < 1 or self.longest < 1 or self.support < 1 or self.samples < 0:
            raise InvalidSpec(
                "Blocklist needs a budget in [0, 1), phrases and support of 1 or more, and 0 samples or more; "
                f"got {self.budget}, {self.longest}, {self.support} and {self.samples}."
            )

    def harden(
        self,
        target: Chat,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> "Blocked":
        """The target behind the list that was learned.

        Raises:
            Incompatible: for a target that does not chat.
            InvalidCases: for no failures.
        """
        wrapped = Wrapped(target, None, Hardening(self.name))
        if not len(data):
            raise InvalidCases("a blocklist is learned from failures; there are none.")
        before = wrapped.meter.forwards
        failed = [Shape.of(text) for _, text in broken_replies(target, data, self.harms) if text]
        fine = (
            [Shape.of(text) for text in self.benign]
            if self.benign is not None
            else [Shape.of(text) for _, text in benign_replies(target, 96, Seed.of(seed))]
        )
        phrases = self.learned(failed, fine)
        caught = sum(any(shape.holds(phrase) for phrase in phrases) for shape in failed)
        alarms = sum(any(shape.holds(phrase) for phrase in phrases) for shape in fine)
        note = f"{len(phrases)} phrases hold back {caught} of {len(failed)} failures and {alarms} of {len(fine)} benign texts"
        step = Hardening(self.name, self.families, 0.0, wrapped.meter.forwards - before, (note,))
        return Blocked(target, tuple(phrases), self.samples, self.refusal, step)

    def learned(self, failed: Sequence[Shape], fine: Sequence[Shape]) -> list[Phrase]:
        """Phrases in the order in which they were chosen."""
        within: dict[Phrase, set[int]] = {}
        for number, shape in enumerate(failed):
            for phrase in shape.phrases(self.longest):
                within.setdefault(phrase, set()).add(number)
        support = min(self.support, len(failed))
        wrong: dict[Phrase, set[int]] = {}
        for number, shape in enumerate(fine):
            for phrase in set(shape.phrases(self.longest)) & within.keys():
                wrong.setdefault(phrase, set()).add(number)
        allowed = int(self.budget * len(fine))
        left = set(range(len(failed)))
        alarms: set[int] = set()
        pool = {
            phrase: numbers
            for phrase, numbers in within.items()
            if len(numbers) >= support and len(wrong.get(phrase, ())) <= allowed
        }
        chosen: list[Phrase] = []
        while left and pool:
            best = min(pool, key=lambda one: _rank(one, len(pool[one] & left), len(wrong.get(one, set()) - alarms)))
            if not pool[best] & left:
                break
            own = wrong.get(best, set()) | {k for k, shape in enumerate(fine) if shape.holds(best)}
            if len(alarms | own) <= allowed:
                chosen.append(best)
                left -= pool[best]
                alarms |= own
            del pool[best]
        return chosen


def _rank(phrase: Phrase, failures: int, alarms: int) -> tuple[int, int, int, Phrase]:
    """Smallest for the most failures less new alarms; then shapes before words, and the shorter of two."""
    words = sum(unit[0] not in "#<" for unit in phrase)
    return alarms - failures, alarms, words * 8 + len(phrase), phrase


class Blocked(Wrapped):
    """A chat whose replies with a phrase of the list are drawn again, and then replaced by a refusal.

    Args:
        phrases: runs of units, see `Shape`.
        samples: further replies to try.
        refusal: said at last.
    """

    def __init__(self, inner: Chat, phrases: tuple[Phrase, ...], samples: int, refusal: str, step: Hardening) -> None:
        super().__init__(inner, [phrases, samples, refusal], step)
        self.phrases, self.samples, self.refusal = phrases, samples, refusal

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        replies = super().reply(asked)
        for number in range(self.samples):
            back = [k for k, text in enumerate(replies) if self.blocks(text)]
            if back:
                for k, text in zip(back, self.again([asked[k].draw(_DRAWN + number) for k in back]), strict=True):
                    replies[k] = text if isinstance(text, str) and not self.blocks(text) else replies[k]
        return [self.refusal if self.blocks(text) else text for text in replies]

    def blocks(self, text: str | Unanswered) -> bool:
        """Whether a reply holds a phrase of the list."""
        if not isinstance(text, str):
            return False
        shape = Shape.of(text)
        return any(shape.holds(phrase) for phrase in self.phrases)
