"""Screened chats: texts that look suspicious are taken out of a conversation before the chat reads it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.target import Hardening, Meter
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.failures import REFUSAL
from sparring.domains.language.target import Chat, Unanswered
from sparring.mitigate.watching import fewest, threshold_of
from sparring.mitigate.wrapped import Wrapped

REMOVED = "[removed]"
ROLES = ("user", "tool")


class Suspicion(Protocol):
    """How suspicious texts look."""

    @property
    def meter(self) -> Meter:
        """Of what is asked to find out."""

    def scores(self, texts: Sequence[str]) -> list[float]:
        """One number per text, the same in any batch; a higher one is more suspicious."""

    def fingerprint(self) -> str:
        """Tells two of them apart."""


class Screened(Wrapped):
    """A chat that never reads a text whose score passes the threshold.

    A tool's text is replaced by `[removed]`, so that the rest of the conversation can still be answered, which disturbs
    a benign one less than a refusal; where it is the user's own, the reply is a refusal, and the chat is not asked.

    Args:
        suspicion: what scores texts.
        threshold: texts above it are taken out.
        roles: whose texts are screened.
        step: what the lineage says of it.
    """

    def __init__(
        self, inner: Chat, suspicion: Suspicion, threshold: float, roles: Sequence[str], step: Hardening
    ) -> None:
        super().__init__(inner, [suspicion.fingerprint(), threshold, list(roles)], step)
        self.suspicion, self.threshold, self.roles = suspicion, threshold, tuple(roles)

    def scores(self, asked: Sequence[Any]) -> list[float]:
        """Of the most suspicious text of each conversation; an attacker who knows of the screen stays below `threshold`."""
        return [max(some.values(), default=-math.inf) for some in self._read(conversations(asked))]

    def view(self, asked: Conversation) -> Conversation:
        return self._without(asked, self._read([asked])[0])

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        read = self._read(asked)
        replies: list[str | Unanswered] = [REFUSAL] * len(asked)
        passed = [k for k, one in enumerate(asked) if not self._refused(one, read[k])]
        seen = [self._without(asked[k], read[k]) for k in passed]
        for k, reply in zip(passed, self.inner.respond(seen), strict=True):
            replies[k] = reply
        return replies

    def _refused(self, asked: Conversation, read: dict[int, float]) -> bool:
        return any(score > self.threshold and asked.messages[place].role == "user" for place, score in read.items())

    def _without(self, asked: Conversation, read: dict[int, float]) -> Conversation:
        for place, score in read.items():
            if score > self.threshold:
                asked = asked.with_text(place, REMOVED)
        return asked

    def _read(self, asked: Sequence[Conversation]) -> list[dict[int, float]]:
        """Place -> score, for each screened message of each conversation."""
        before = self.suspicion.meter.forwards
        read = scored(asked, self.roles, self.suspicion.scores)
        if self.suspicion.meter is not self.meter:
            self.meter.forwards += self.suspicion.meter.forwards - before
        return read


def scored(
    asked: Sequence[Conversation], roles: Sequence[str], scores: Callable[[Sequence[str]], list[float]]
) -> list[dict[int, float]]:
    """Place -> score, for each message of these roles in each conversation; equal texts are scored once."""
    places = [[k for k, message in enumerate(one.messages) if message.role in roles] for one in asked]
    texts = {one.messages[k].text: 0.0 for one, some in zip(asked, places, strict=True) for k in some}
    found = dict(zip(texts, scores(list(texts)), strict=True))
    return [{k: found[one.messages[k].text] for k in some} for one, some in zip(asked, places, strict=True)]


def readable(cases: Cases, roles: Sequence[str]) -> list[Conversation]:
    """The conversations that hold a message of these roles."""
    return [one for one in conversations(cases.inputs) if any(message.role in roles for message in one)]


def conformal(read: Sequence[dict[int, float]], false_positives: float) -> float:
    """The score that a new benign conversation passes with at most this chance, by split conformal prediction.

    Args:
        read: place -> score, for each of enough benign conversations (`check_enough`).
    """
    return threshold_of(torch.tensor([max(one.values()) for one in read], dtype=torch.float64), false_positives)


def disturbed(read: Sequence[dict[int, float]], threshold: float) -> int:
    """How many conversations have something taken out."""
    return sum(max(one.values()) > threshold for one in read)


def check_screen(owner: str, false_positives: float, share: float, roles: Sequence[str]) -> None:
    """Raises InvalidSpec unless these settings of a screen mean something."""
    if not 0 < false_positives < 1 or not 0 < share < 1:
        raise InvalidSpec(
            f"{owner} needs false_positives and a share above 0 and below 1; got {false_positives} and {share}."
        )
    if not roles or not set(roles) <= set(ROLES):
        raise InvalidSpec(f"{owner} screens texts of {' and '.join(ROLES)}; got roles {', '.join(roles) or 'none'}.")


def check_enough(owner: str, false_positives: float, parts: Mapping[str, Sequence[Conversation]]) -> None:
    """Raises InvalidCases unless each part of the data has enough conversations for a threshold at this rate.

    Args:
        parts: what it is for -> the conversations.
    """
    needed = max(1, fewest(false_positives))
    if min(map(len, parts.values())) < needed:
        sizes = ", ".join(f"{len(part)} to {use}" for use, part in parts.items())
        raise InvalidCases(
            f"{owner} needs {needed} benign conversations to set a threshold for {false_positives:.2g} false positives, "
            f"and as many for each other use; it has {sizes}. Pass more cases, or allow more false positives."
        )
