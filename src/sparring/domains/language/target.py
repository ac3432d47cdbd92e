"""Chat targets: what is asked in words and answers in words; and those whose weights are at hand."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import BadTarget, Incompatible, InvalidSpec
from sparring.core.judge import Outcome
from sparring.core.panel import Panel
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.language.cache import ReplyCache, ask_once, key_of
from sparring.domains.language.conversation import Conversation, conversations

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sampling:
    """How text is drawn from a model.

    Args:
        tokens: at most this many are written.
        top_p: nucleus; 1 keeps the whole vocabulary.
        temperature: 0 takes the likeliest token each time.
        stop: texts at which writing ends; they are not part of what is returned.

    Raises:
        InvalidSpec: for values that mean nothing.
    """

    tokens: int = 56
    top_p: float = 0.8
    temperature: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", tuple(self.stop))
        if self.tokens < 1 or not 0 < self.top_p <= 1 or self.temperature < 0:
            raise InvalidSpec(
                "sampling needs 1 token or more, top_p in (0, 1] and a temperature of 0 or more; "
                f"got {self.tokens}, {self.top_p} and {self.temperature}."
            )


@dataclass(frozen=True)
class Unanswered:
    """No reply, and why: a request that failed, a conversation past the window. It is never counted as held.

    Args:
        reason: in one sentence.
        banned: whoever asks has been shut out, so nothing more would be answered.
    """

    reason: str
    banned: bool = field(default=False, repr=False)

    @property
    def outcome(self) -> Outcome:
        """How such a case counts."""
        return Outcome.BANNED if self.banned else Outcome.ERROR


class Chat(Target):
    """A target that answers conversations (or plain texts) with texts. `reply` is the one method to write.

    Inputs of a batch may be `str`, `Conversation`, or a conversation as JSON gave it back; answers are `str` or
    `Unanswered`. The seed of a reply belongs to the conversation, so equal conversations get equal replies and are asked
    once. With a `cache`, what was ever answered is not asked again; its key is the `fingerprint`, which must tell apart
    all that decides a reply (weights, sampling, seed, system prompt), and the conversation.
    """

    cache: ReplyCache | None = None

    sampling: Sampling = Sampling()  # of the replies, where the target draws them itself

    @abstractmethod
    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        """One reply per conversation, in the same order."""

    def arriving(self, asked: Sequence[Conversation]) -> Iterator[tuple[int, str | Unanswered]]:
        """The replies as they come, each with its position, in any order: what has come survives a kill."""
        yield from enumerate(self.reply(asked))

    def respond(self, inputs: Any) -> list[str | Unanswered]:
        asked = conversations(inputs)
        return ask_once(asked, self._keys, lambda missing: self._arriving([asked[k] for k in missing]), self.cache)

    def _keys(self, asked: Sequence[Conversation]) -> list[bytes]:
        own = self.fingerprint()
        return [key_of(["reply", own, list(one)]) for one in asked]

    def _arriving(self, asked: Sequence[Conversation]) -> Iterator[tuple[int, str | Unanswered]]:
        answered = set()
        for index, reply in self.arriving(asked):
            answered.add(index)
            if index < len(asked):
                yield index, reply
        if len(answered) != len(asked):
            raise BadTarget(
                f"{self.name} was given {len(asked)} conversations and answered {len(answered)}. "
                "Return one reply per conversation, in the same order."
            )

    def write(self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]) -> list[str | Unanswered]:
        """Continues each text, outside any chat: what a red language model does.

        Args:
            seeds: one per text; same text and seed, same continuation, whatever the batch.

        Raises:
            Incompatible: if this target only chats.
        """
        raise Incompatible(
            f"{self.name} only answers conversations, so it cannot continue a text as a red language model must. Name a "
            "red model that can, such as smollm2 (red=smollm2() or --red smollm2), or an endpoint with completions."
        )

    @property
    def innermost(self) -> "Chat":
        """The chat behind all wrappers; itself where nothing wraps it."""
        return self

    def through(self, asked: Conversation) -> Conversation:
        """What the innermost chat is asked when this one is: for an attacker who knows how the target is built."""
        return asked

    def check(self, cases: Cases) -> None:
        conversations(cases.inputs)

    def exhibit(self, cases: Cases, attempts: Any) -> list[tuple[Panel, ...]]:
        asked = conversations(attempts)
        return [
            (Panel("asked", str(one)), Panel("answered", answer if isinstance(answer, str) else answer.reason))
            for one, answer in zip(asked, self.respond(asked), strict=True)
        ]


class OpenChat(Chat):
    """A chat target whose weights are at hand: it can be scored, trained on a copy, and read from inside."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"

    @abstractmethod
    def prompt_of(self, asked: Conversation) -> str:
        """The text that the model continues with its reply: the chat template, filled in."""

    @abstractmethod
    def log_probabilities(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[Tensor]:
        """Of each token of each continuation, given its prompt: float32, shape (token,), without gradients."""

    @abstractmethod
    def with_model(self, model: "PreTrainedModel") -> Self:
        """The same target with other weights, a meter at zero and no cached replies."""


def in_order(arriving: Iterator[tuple[int, str | Unanswered]], count: int) -> list[str | Unanswered]:
    """Replies as they come, put in the order in which they were asked for."""
    found = dict(arriving)
    return [found[k] for k in range(count)]


def seed_of(seed: Seed, asked: Conversation) -> Seed:
    """The seed of one reply."""
    digest = hashlib.blake2b(repr(list(asked)).encode(), digest_size=8).hexdigest()
    return seed.child("reply", digest)
