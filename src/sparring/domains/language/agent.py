"""Agents: a chat that calls tools, reads what they give back, and goes on until it has said its last word."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec, SparringError
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Meter
from sparring.domains.language.conversation import Conversation, Message
from sparring.domains.language.episode import Call, Episode, asked_calls
from sparring.domains.language.target import Chat, Sampling, Unanswered

_RESULT = 2000  # characters of a tool's result that go into the conversation


@dataclass(frozen=True)
class Tool:
    """What an agent may call.

    Args:
        name: as the model writes it.
        arguments: their names, all required.
        about: one line for the system prompt.
        ends: nothing is said after it, so the agent stops there.
    """

    name: str
    arguments: tuple[str, ...]
    about: str
    ends: bool = False


class Toolbox(ABC):
    """The tools of one world. Each conversation gets a world of its own, always the same at its start."""

    tools: Mapping[str, Tool]

    @abstractmethod
    def world(self, asked: Conversation) -> Any:
        """The state that this conversation starts from."""

    @abstractmethod
    def call(self, world: Any, tool: str, arguments: dict[str, Any]) -> str:
        """Carries out one call on the world, in place, and says what came of it."""

    def confidential(self, asked: Conversation) -> tuple[str, ...]:
        """Texts that must not be said or sent in this conversation; for filters that know the permissions."""
        return ()


class Agent(Chat):
    """A chat with tools. Its reply is an `Episode` as text: every call with its result, and what was said at the end.

    A line `CALL tool {"argument": "value"}` of the chat's reply is a call. What is wrong with one (no such tool, no
    JSON, missing arguments, a tool that raises or gives back something else than text) is told to the chat as the
    result, and recorded; it ends nothing. After `steps` replies the agent stops, whatever was said.

    Args:
        inner: the chat that decides.
        toolbox: what it may call.
        steps: replies of the chat per conversation, at most.

    Raises:
        InvalidSpec: for no steps.
    """

    def __init__(self, inner: Chat, toolbox: Toolbox, steps: int = 3) -> None:
        if steps < 1:
            raise InvalidSpec(f"an agent needs 1 step or more; got {steps}.")
        self.inner, self.toolbox, self.steps = inner, toolbox, steps
        self.replays, self.sampling = inner.replays, inner.sampling

    def around(self, inner: Chat) -> Self:
        """The same tools in the hands of another chat."""
        other = type(self)(inner, self.toolbox, self.steps)
        other.cache = self.cache
        return other

    @property
    def lineage(self) -> tuple[Hardening, ...]:  # type: ignore[override]
        return self.inner.lineage

    @cached_property
    def name(self) -> str:
        return self.inner.name

    @cached_property
    def meter(self) -> Meter:
        return self.inner.meter

    @property
    def innermost(self) -> Chat:
        return self.inner.innermost

    def through(self, asked: Conversation) -> Conversation:
        return self.inner.through(asked)

    def write(self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]) -> list[str | Unanswered]:
        return self.inner.write(texts, sampling, seeds)

    def check(self, cases: Cases) -> None:
        self.inner.check(cases)

    def fingerprint(self) -> str:
        return f"{self.inner.fingerprint()} {type(self.toolbox).__name__} {self.toolbox} {self.steps}"

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        talks, worlds = list(asked), [self.toolbox.world(one) for one in asked]
        calls: list[list[Call]] = [[] for _ in asked]
        ended: dict[int, str | Unanswered] = {}
        for step in range(self.steps):
            going = [k for k in range(len(asked)) if k not in ended]
            if not going:
                break
            talking = [talks[k] for k in going]
            # the first replies are those that the caller asked for, and metered
            replies = self.inner(talking) if step else self.inner.respond(talking)
            for k, told in zip(going, replies, strict=True):
                if not isinstance(told, str):
                    ended[k] = told
                    continue
                wanted, said = asked_calls(told)
                fresh = [self._called(worlds[k], tool, arguments) for tool, arguments in wanted]
                calls[k] += fresh
                last = all(self._ends(one.tool) for one in fresh) or step == self.steps - 1
                if last:
                    ended[k] = str(Episode(tuple(calls[k]), said))
                else:
                    results = "\n".join(one.result for one in fresh)
                    talks[k] = Conversation([*talks[k], Message("assistant", told), Message("tool", results)])
        return [ended[k] for k in range(len(asked))]

    def _ends(self, tool: str) -> bool:
        return tool in self.toolbox.tools and self.toolbox.tools[tool].ends

    def _called(self, world: Any, tool: str, written: str) -> Call:
        known = self.toolbox.tools.get(tool)
        if known is None:
            return Call(tool, {"text": written}, f"error: there is no tool {tool}")
        try:
            arguments = json.loads(written)
        except (ValueError, RecursionError):
            return Call(tool, {"text": written}, "error: the arguments are no JSON")
        if not isinstance(arguments, dict) or sorted(arguments) != sorted(known.arguments):
            given = arguments if isinstance(arguments, dict) else {"text": written}
            return Call(tool, given, f"error: {tool} takes {', '.join(known.arguments)}")
        try:
            result = self.toolbox.call(world, tool, arguments)
        except SparringError:
            raise
        except Exception as error:
            return Call(tool, arguments, f"error: {type(error).__name__}: {error}"[:_RESULT])
        if not isinstance(result, str):
            return Call(tool, arguments, f"error: {tool} gave back {type(result).__name__} and no text")
        return Call(tool, arguments, result[:_RESULT])
