"""Wrapped chats: another chat target with something before or after it; what lies inside is out of reach."""

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.core.target import Hardening, Meter
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat, Sampling, Unanswered


class Wrapped(Chat):
    """Delegates to the chat inside: its meter, seeds, samples and continuations.

    Args:
        inner: the chat that answers.
        settings: plain data that tells this wrapper from another one.
        step: what the lineage says of it.
    """

    def __init__(self, inner: Chat, settings: Any, step: Hardening) -> None:
        if not isinstance(inner, Chat):
            raise Incompatible(f"{step.defence} wraps a Chat target; got {type(inner).__name__}.")
        self.inner, self.settings = inner, settings
        self.replays = inner.replays
        self.lineage = (*inner.lineage, step)

    def around(self, inner: Chat) -> Self:
        """The same wrapper, with what it learned, around another chat."""
        other = copy.copy(self)
        for derived in ("meter", "name", "cache"):
            other.__dict__.pop(derived, None)
        other.inner, other.replays = inner, inner.replays
        other.lineage = (*inner.lineage, self.lineage[-1])
        return other

    @cached_property
    def name(self) -> str:
        return self.inner.name

    @property
    def innermost(self) -> Chat:
        return self.inner.innermost

    @cached_property
    def meter(self) -> Meter:
        return self.inner.meter

    def view(self, asked: Conversation) -> Conversation:
        """What the chat inside is asked: here, the same."""
        return asked

    def through(self, asked: Conversation) -> Conversation:
        return self.inner.through(self.view(asked))

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        return self.inner.respond([self.view(one) for one in asked])

    def again(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        """Replies beside those that the caller asked for, counted by the meter too."""
        return self.inner(asked)

    def write(self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]) -> list[str | Unanswered]:
        return self.inner.write(texts, sampling, seeds)

    def place(self, cases: Cases) -> Cases:
        return self.inner.place(cases)

    def check(self, cases: Cases) -> None:
        self.inner.check(cases)

    def fingerprint(self) -> str:
        return f"{self.inner.fingerprint()} {type(self).__name__} {digest(self.settings)}"
