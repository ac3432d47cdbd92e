"""Tool filter: a call passes only if the user's own words ask for what it would do."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import to_spec
from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.episode import Call
from sparring.domains.language.target import Chat, Unanswered
from sparring.mitigate.calls import call_in, values
from sparring.mitigate.wrapped import Wrapped
from sparring.mitigate.wrapping import Wrapping


@dataclass(frozen=True)
class Permit:
    """An argument that need not stand in the user's words.

    Args:
        tool: of the call.
        argument: its name.
        values: that it may have; none for any at all.
    """

    tool: str
    argument: str
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))

    def covers(self, tool: str, argument: str, value: str) -> bool:
        """Whether this value may be sent."""
        named = (self.tool, self.argument) == (tool, argument)
        return named and (not self.values or value.casefold() in [one.casefold() for one in self.values])


@dataclass(frozen=True)
class ToolFilter(Wrapping):
    """Takes out every call with a value that stands neither in the user's own turns nor in a permit.

    What a tool brought in thus cannot decide where a mail goes or what it says. Compared are whole words, without case,
    width or runs of space; an address is one word. In a stack it goes last, where it reads the user's words as they are.

    Paper: none as such; the idea that untrusted data must not choose a call's arguments is that of Debenedetti et al.,
    2025, arXiv:2503.18813 (CaMeL), and Wu et al., 2024, arXiv:2409.19091.
    Differs: those follow data through a program that a trusted model plans; this compares words, so it needs no planner
    and cannot tell that two words mean the same.
    Cost: none but the time to read; no queries, no training. Calls that the user asked for in other words than the model
    writes (`tomorrow` for a date), or left to a text (`do what the mail asks`), are taken out as well: permit such an
    argument, or lose the errand.
    Loses to: the user's own attack, whose words are the user's; a call whose every value the user happened to say; what
    a permitted argument carries; and everything that is said and not called. A user's message quoted from elsewhere
    counts as the user's words.

    Args:
        effective: tools whose calls are held to this; none for all.
        permits: arguments that may have other values.

    Raises:
        InvalidSpec: for permits of another kind.
    """

    effective: tuple[str, ...] = ()
    permits: tuple[Permit, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "effective", tuple(self.effective))
        object.__setattr__(self, "permits", tuple(self.permits))
        wrong = [one for one in self.permits if not isinstance(one, Permit)]
        if wrong:
            raise InvalidSpec(f"ToolFilter takes permits, such as Permit('set_status', 'status'); got {wrong[0]!r}.")

    def wrap(self, target: Chat, data: Cases, seed: Seed) -> "ToolFiltered":
        whose = f"calls of {', '.join(self.effective)}" if self.effective else "all calls"
        note = f"{whose} need the user's words, with {len(self.permits)} permits; nothing was learned"
        return ToolFiltered(target, self, Hardening(self.name, notes=(note,)))

    def passes(self, call: Call, asked: Conversation) -> bool:
        """Whether the user's turns, or permits, cover every value of a call."""
        if self.effective and call.tool not in self.effective:
            return True
        own = "\n".join(message.text for message in asked if message.role == "user")
        return all(
            _stands(value, own) or any(permit.covers(call.tool, name, value) for permit in self.permits)
            for name, argument in call.arguments.items()
            for value in values(argument)
        )


class ToolFiltered(Wrapped):
    """A chat whose calls go through only where the user asked for them.

    Args:
        filter: which calls pass.
    """

    def __init__(self, inner: Chat, filter: ToolFilter, step: Hardening) -> None:
        super().__init__(inner, to_spec(filter), step)
        self.filter = filter

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        replies = zip(asked, super().reply(asked), strict=True)
        return [self._passed(one, text) if isinstance(text, str) else text for one, text in replies]

    def _passed(self, asked: Conversation, reply: str) -> str:
        lines = []
        for line in reply.split("\n"):
            call = call_in(line)
            held = call is not None and not self.filter.passes(call, asked)
            lines.append(f"A call of {call.tool} was held back, for nobody asked for it." if held else line)
        return "\n".join(lines)


def _stands(value: str, text: str) -> bool:
    """Whether the value stands in the text as whole words; no part of an address or a number does."""
    wanted = _plain(value)
    return not wanted or bool(re.search(rf"(?<![\w@+-])(?<!\w\.){re.escape(wanted)}(?![\w@+-]|\.\w)", _plain(text)))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
