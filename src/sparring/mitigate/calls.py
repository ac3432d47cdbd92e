"""Calls in a reply: what each line asks for, and every value that it would send."""

import json
from collections.abc import Iterator
from typing import Any

from sparring.domains.language.episode import Call, asked_calls


def call_in(line: str) -> Call | None:
    """The call that a line of a reply asks for; None for any other line.

    Arguments that are no JSON object stand as one argument, `text`.
    """
    wanted, _ = asked_calls(line)
    if not wanted:
        return None
    tool, written = wanted[0]
    try:
        arguments = json.loads(written)
    except (ValueError, RecursionError):
        arguments = None
    return Call(tool, arguments if isinstance(arguments, dict) else {"text": written})


def calls_in(reply: str) -> list[Call]:
    """All that a reply asks for, in its order."""
    return [call for line in reply.split("\n") if (call := call_in(line)) is not None]


def values(argument: Any) -> Iterator[str]:
    """Every text, number and key inside an argument, as text."""
    if isinstance(argument, dict):
        for key, value in argument.items():
            yield str(key)
            yield from values(value)
    elif isinstance(argument, list):
        for value in argument:
            yield from values(value)
    else:
        yield str(argument)
