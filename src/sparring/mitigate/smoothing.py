"""Smoothing: several copies with changed characters are asked, and the reply that most of them agree on is given."""

import dataclasses
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import to_spec
from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.failures import REFUSAL
from sparring.domains.language.judges.refusal import RefusalJudge
from sparring.domains.language.target import Chat, Unanswered, seed_of
from sparring.mitigate.calls import calls_in
from sparring.mitigate.wrapped import Wrapped
from sparring.mitigate.wrapping import Wrapping

CHANGES = ("swap", "insert", "patch")
_ALPHABET = np.array(list(string.ascii_letters + string.digits + string.punctuation + " "))


@dataclass(frozen=True)
class Smoothing(Wrapping):
    """Asks copies whose user's and tools' texts have random characters changed, and takes a vote.

    Paper: Robey et al., 2023, arXiv:2310.03684 (SmoothLLM), algorithms 1 and 2.
    Differs: the vote knows calls: where more than half of the copies ask for the same calls, these are made; otherwise
    those that refuse are counted against those that answer, and a tie refuses. Of the winners the reply is given that
    has most words in common with the others, and not a random one. Refusing is told by the rules of `RefusalJudge` and
    not by a list of prefixes. Tools' texts are changed as well as the user's; system prompts stay as they are.
    Cost: `copies` forwards for every reply; no training. Changed characters spoil ticket numbers, addresses and codes:
    look at the errands that are still done.
    Loses to: attacks that survive a few wrong characters, which is what plain words do; it was made against suffixes of
    optimised characters, which do not. An attacker who knows of it attacks changed copies.

    Args:
        copies: asked for every reply.
        share: of the characters that are changed in each message, at least one where there is any.
        change: `swap` (other characters in random places), `insert` (after random places) or `patch` (one stretch).

    Raises:
        InvalidSpec: for settings that mean nothing.
    """

    copies: int = 10
    share: float = 0.1
    change: str = "swap"

    def __post_init__(self) -> None:
        if self.copies < 1 or not 0 < self.share <= 1 or self.change not in CHANGES:
            raise InvalidSpec(
                f"Smoothing needs 1 copy or more, a share in (0, 1] and a change among {', '.join(CHANGES)}; "
                f"got {self.copies}, {self.share} and {self.change!r}."
            )

    def wrap(self, target: Chat, data: Cases, seed: Seed) -> "Smoothed":
        note = f"{self.copies} copies are asked for every reply, {self.share:.0%} of the characters changed by {self.change}"
        return Smoothed(target, self, seed.child("smoothing"), Hardening(self.name, notes=(note,)))

    def changed(self, text: str, seed: Seed) -> str:
        """The text with this share of its characters changed."""
        if not text:
            return text
        draw, count = seed.numpy(), max(1, int(len(text) * self.share))
        fresh = _ALPHABET[draw.integers(len(_ALPHABET), size=count)]
        letters = list(text)
        if self.change == "patch":
            start = int(draw.integers(len(text) - count + 1))
            letters[start : start + count] = fresh
        else:
            for place, letter in zip(draw.permutation(len(text))[:count], fresh, strict=True):
                letters[place] = letters[place] + letter if self.change == "insert" else letter
        return "".join(letters)


class Smoothed(Wrapped):
    """A chat that answers what most copies of a question agree on. Its `view` is the question itself.

    Args:
        smoothing: how copies are made.
        seed: of the changes, which belong to the conversation.
        step: what the lineage says of it.
    """

    def __init__(self, inner: Chat, smoothing: Smoothing, seed: Seed, step: Hardening) -> None:
        super().__init__(inner, [to_spec(dataclasses.asdict(smoothing)), seed.value], step)
        self.smoothing, self.seed = smoothing, seed

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        count = self.smoothing.copies
        copies = [copy for one in asked for copy in self.copies(one)]
        replies = self.inner.respond(copies)
        self.meter.forwards += len(copies) - len(asked)  # one per conversation is counted by whoever asks
        return [vote(replies[start : start + count]) for start in range(0, len(replies), count)]

    def copies(self, asked: Conversation) -> list[Conversation]:
        """What the chat inside is asked in place of one conversation."""
        own = seed_of(self.seed, asked)
        return [
            Conversation(
                message._replace(text=self.smoothing.changed(message.text, own.child(copy, place)))
                if message.role in ("user", "tool")
                else message
                for place, message in enumerate(asked)
            )
            for copy in range(self.smoothing.copies)
        ]


def vote(replies: Sequence[str | Unanswered]) -> str | Unanswered:
    """The reply of the majority; the first failure where there is no reply at all."""
    told = [reply for reply in replies if isinstance(reply, str)]
    if not told:
        return replies[0]
    refused = RefusalJudge().refuses(told)
    asked = [tuple(sorted(call.key for call in calls_in(reply))) for reply in told]
    commonest, votes = Counter(asked).most_common(1)[0]
    if commonest and 2 * votes > len(told):
        return _middle([reply for reply, calls in zip(told, asked, strict=True) if calls == commonest])
    plain = [(reply, no) for reply, no, calls in zip(told, refused, asked, strict=True) if not calls]
    refusing, answering = ([reply for reply, no in plain if no is kind] for kind in (True, False))
    winners = refusing if len(refusing) >= len(answering) else answering
    return _middle(winners) if winners else REFUSAL


def _middle(replies: Sequence[str]) -> str:
    """The reply that shares most words with all of them; the first of equals."""
    words = [frozenset(reply.casefold().split()) for reply in replies]
    return max(replies, key=lambda one: sum(_overlap(frozenset(one.casefold().split()), other) for other in words))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))
