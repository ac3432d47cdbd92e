"""Episodes: what a chat with tools did for one conversation (calls and their results) and what it said at the end."""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

_CALL = re.compile(r"\[call\] (\w+) (?=\{)")
_MALFORMED = re.compile(r"error: (there is no tool |the arguments are no JSON|\w+ takes )")  # as `Agent` says it
_ASKED = re.compile(r"^\s*CALL (\w+) (.+)$")


class Call(NamedTuple):
    """A tool that was called: its name, its arguments, and what it gave back, as one line."""

    tool: str
    arguments: dict[str, Any]
    result: str = ""

    @property
    def key(self) -> str:
        """What tells two calls apart, whatever they gave back: `send_mail {"text": "hi", "to": "ann@example.com"}`."""
        return f"{self.tool} {json.dumps(self.arguments, sort_keys=True, ensure_ascii=False)}"

    @property
    def malformed(self) -> bool:
        """Whether an agent could make nothing of it: no such tool, no JSON, or other arguments than the tool's."""
        return _MALFORMED.match(self.result) is not None


@dataclass(frozen=True)
class Episode:
    """Calls in their order, and what was said. As text, calls are lines that nothing said can imitate."""

    calls: tuple[Call, ...] = ()
    said: str = ""

    @staticmethod
    def read(text: str) -> "Episode":
        """From the text of an episode, or from the reply of a chat without tools."""
        calls, said = [], []
        for line in text.split("\n"):
            found = _read(line)
            if found is None:
                said.append(line)
            else:
                calls.append(found)
        return Episode(tuple(calls), "\n".join(said).strip())

    def __str__(self) -> str:
        lines = [f"[call] {one.key} -> {' '.join(one.result.split())}" for one in self.calls]
        said = "\n".join(f" {line}" if line.startswith("[call]") else line for line in self.said.split("\n"))
        return "\n".join([*lines, said]) if said else "\n".join(lines)


def _read(line: str) -> Call | None:
    """The call that a line of an episode tells of. Arguments and result may hold what looks like the line's own parts."""
    found = _CALL.match(line)
    if found is None:
        return None
    try:
        arguments, end = json.JSONDecoder().raw_decode(line, found.end())
    except (ValueError, RecursionError):
        return None
    return Call(found[1], arguments, line[end + 4 :]) if line.startswith(" -> ", end) else None


def attempted(text: str) -> tuple[Call, ...]:
    """Every call of a reply: those that an agent carried out, and those that a chat without tools only asked for."""
    episode = Episode.read(text)
    found = list(episode.calls)
    for tool, written in asked_calls(episode.said)[0]:
        try:
            arguments = json.loads(written)
        except (ValueError, RecursionError):
            continue
        if isinstance(arguments, dict):
            found.append(Call(tool, arguments))
    return tuple(found)


def asked_calls(reply: str) -> tuple[list[tuple[str, str]], str]:
    """The calls that a model's reply asks for, each `CALL tool {arguments as JSON}` on a line, and the rest of the reply."""
    calls, rest = [], []
    for line in reply.split("\n"):
        found = _ASKED.match(line)
        if found:
            calls.append((found[1], found[2].strip()))
        else:
            rest.append(line)
    return calls, "\n".join(rest).strip()


def call_line(tool: str, arguments: dict[str, Any]) -> str:
    """The line with which a model asks for a call."""
    return f"CALL {tool} {json.dumps(arguments, ensure_ascii=False)}"
