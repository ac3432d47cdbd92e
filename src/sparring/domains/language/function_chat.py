"""A Python function as a chat target: text in, text out."""

import hashlib
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sparring.core.errors import BadTarget, Incompatible, InvalidSpec, SparringError
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.in_flight import as_they_come
from sparring.domains.language.target import Chat, Unanswered, in_order

Reply = str | Unanswered


class FunctionChat(Chat):
    """Asks a function: `str -> str`, or `Conversation -> str` where its parameter is annotated so.

    A function of texts answers single questions; a system prompt stands before the text, an empty line between. A whole
    conversation goes only to a function that takes one. Where the function raises, that one question is unanswered.

    In a record and a reply cache the function is known by its name, its code, the plain values it closes over and the text
    of the file that it stands in. Other files, and a server that it asks, are not seen: give another `name` when those
    change.

    Args:
        function: takes one text (or Conversation) and returns one text; with `batched`, a list of them and a list.
        name: for tables; the function's own by default.
        batched: it takes and returns lists. Where it raises, each is asked alone.
        workers: calls at once, on threads; for functions that wait for something else. The function must allow it.
        replays: the same text always gets the same answer; where that is not said, every figure counts as one draw.

    Raises:
        InvalidSpec: if it is no function, or the settings mean nothing.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        batched: bool = False,
        workers: int = 1,
        replays: bool = False,
    ) -> None:
        if not callable(function):
            raise InvalidSpec(f"FunctionChat needs a function of a text; got {type(function).__name__}.")
        if workers < 1 or (batched and workers > 1):
            raise InvalidSpec(f"workers must be 1 or more, and 1 for a batched function; got {workers}.")
        self.function, self.batched, self.workers, self.replays = function, batched, workers, replays
        self.name = name or _name(function)
        self.takes_conversations = _takes_conversations(function)

    def reply(self, asked: Sequence[Conversation]) -> list[Reply]:
        return in_order(self.arriving(asked), len(asked))

    def arriving(self, asked: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        inputs = [self._input(one) for one in asked]
        if self.batched:
            yield from enumerate(self._answer_all(inputs))
        elif self.workers == 1:
            yield from ((k, self._answer(one)) for k, one in enumerate(inputs))
        else:

            def work(k: int, stop: threading.Event) -> Reply:
                return self._answer(inputs[k])

            yield from as_they_come(work, len(inputs), self.workers)

    def fingerprint(self) -> str:
        known = f"{self.name} {_code(self.function)} {_file(self.function)}"
        return hashlib.blake2b(known.encode(), digest_size=16).hexdigest()

    def _input(self, asked: Conversation) -> Any:
        messages = asked.messages
        if self.takes_conversations:
            return Conversation(messages)
        if any(message.role == "assistant" for message in messages):
            raise Incompatible(
                f"{self.name} takes one text, and was asked a conversation of {asked.turn} turns. Annotate its parameter "
                "as sparring.domains.language.conversation.Conversation and answer the last turn."
            )
        return "\n\n".join(message.text for message in messages)

    def _answer(self, one: Any) -> Reply:
        try:
            reply = self.function([one])[0] if self.batched else self.function(one)
        except SparringError:
            raise
        except Exception as error:
            return Unanswered(f"{type(error).__name__}: {error}"[:500])
        return self._checked(reply)

    def _answer_all(self, inputs: list[Any]) -> list[Reply]:
        try:
            replies = self.function(inputs)
        except SparringError:
            raise
        except Exception:
            return [self._answer(one) for one in inputs]
        if not isinstance(replies, Sequence) or isinstance(replies, str):
            raise BadTarget(f"{self.name} is batched, so it must return a list of texts; got {type(replies).__name__}.")
        if len(replies) != len(inputs):
            raise BadTarget(
                f"{self.name} was given {len(inputs)} texts and returned {len(replies)}; return one for each."
            )
        return [self._checked(reply) for reply in replies]

    def _checked(self, reply: Any) -> Reply:
        if isinstance(reply, (str, Unanswered)):
            return reply
        raise BadTarget(f"{self.name} must return a text (str) for each text; got {type(reply).__name__}.")


def _name(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return str(name).replace(".<locals>", "")


def _takes_conversations(function: Any) -> bool:
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):  # builtins have no signature
        return False
    return first is not None and "Conversation" in str(first.annotation)


def _code(function: Any) -> str:
    """Names, code, defaults and plain closed-over values, as text that is the same in every process."""
    if isinstance(function, partial):
        values = [*function.args, *(value for _, value in sorted(function.keywords.items()))]
        return f"{_code(function.func)} {[_plain(value) for value in values]}"
    if inspect.ismethod(function):
        return f"{_code(function.__func__)} {_plain(function.__self__)}"
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{type(function).__module__}.{type(function).__qualname__}"
    closed = [_plain(_content(cell)) for cell in function.__closure__ or ()]
    return f"{_instructions(code)} {_plain(function.__defaults__)} {closed}"


def _file(function: Any) -> str:
    """The text of the file that a function stands in; empty where there is none, as in a console."""
    while isinstance(function, partial):
        function = function.func
    try:
        path = inspect.getsourcefile(inspect.unwrap(function))
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except (TypeError, OSError):  # what is built in, or was deleted since
        return ""


def _instructions(code: Any) -> str:
    constants = [_instructions(one) if inspect.iscode(one) else _plain(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _plain(value: Any) -> str:
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"({', '.join(_plain(one) for one in value)})"
    if inspect.isfunction(value):
        return _code(value) if value.__closure__ is None else str(value.__qualname__)
    return type(value).__qualname__
