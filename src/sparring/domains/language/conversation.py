"""Conversations: what a chat target is asked, as plain tuples that JSON can hold."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sparring.core.errors import InvalidCases

ROLES = ("system", "user", "assistant", "tool")
_DRAW = "draw"


class Message(NamedTuple):
    """One turn: role `system`, `user`, `assistant` or `tool`, and its text.

    A `tool` speaks for the world: a document that was looked up, a ticket, an e-mail, the result of a call. Nobody's
    orders stand there, though an adversary may have written it.
    """

    role: str
    text: str


class Conversation(tuple[Message, ...]):
    """Messages, the last of them the user's or a tool's; a tuple of (role, text), so JSON gives it back as it was.

    The same conversation always draws the same reply from a target with a seed; `draw(2)` is the same conversation
    asking for another sample.
    """

    @staticmethod
    def of(value: Any) -> "Conversation":
        """From one user text, a conversation, or what JSON made of one.

        Raises:
            InvalidCases: for anything else, an unknown role, or an end that nobody has to answer.
        """
        if isinstance(value, Conversation):
            return value
        if isinstance(value, str):
            return Conversation([Message("user", value)])
        if not isinstance(value, Sequence) or not value or not all(_pair(item) for item in value):
            raise InvalidCases(
                f"a chat target takes texts or conversations, [(role, text), ...]; got {type(value).__name__}."
            )
        messages = [Message(str(role), str(text)) for role, text in value]
        for message in messages:
            if message.role not in (*ROLES, _DRAW):
                raise InvalidCases(f"a message's role is one of {', '.join(ROLES)}; got {message.role!r}.")
        if messages[-1].role not in ("user", "tool"):
            raise InvalidCases(
                f"a conversation ends with the user's or a tool's turn; this one ends with {messages[-1].role}."
            )
        return Conversation(messages)

    def draw(self, number: int) -> "Conversation":
        """The same conversation, asking for its sample of that number; 0 is the first."""
        rest = self.messages
        return Conversation(rest if number == 0 else [Message(_DRAW, str(number)), *rest])

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the target sees."""
        return tuple(message for message in self if message.role != _DRAW)

    @property
    def prompt(self) -> str:
        """The user's last text."""
        return next((message.text for message in reversed(self) if message.role == "user"), self[-1].text)

    @property
    def turn(self) -> int:
        """How many times the user has spoken, from 1."""
        return sum(message.role == "user" for message in self)

    def then(self, reply: str, text: str) -> "Conversation":
        """The conversation after this reply and the user's next text."""
        return Conversation([*self, Message("assistant", reply), Message("user", text)])

    def under(self, system: str) -> "Conversation":
        """The conversation under a system prompt, which goes before any that it has."""
        draws = [message for message in self if message.role == _DRAW]
        own = [message.text for message in self if message.role == "system"]
        rest = [message for message in self.messages if message.role != "system"]
        return Conversation([*draws, Message("system", "\n\n".join([system, *own])), *rest])

    def with_text(self, place: int, text: str) -> "Conversation":
        """The conversation with another text in the message at that place, counted from 0 among `messages`."""
        start = len(self) - len(self.messages)
        changed = list(self)
        changed[start + place] = changed[start + place]._replace(text=text)
        return Conversation(changed)

    def told_by_users(self) -> "Conversation":
        """Tools' turns as turns of the user under a heading, for models that know no other roles; neighbours are joined."""
        if all(message.role != "tool" for message in self):
            return self
        joined: list[Message] = []
        for role, text in self:
            own = Message("user", f"[tool]\n{text}") if role == "tool" else Message(role, text)
            if joined and own.role == joined[-1].role == "user":
                joined[-1] = Message("user", f"{joined[-1].text}\n\n{own.text}")
            else:
                joined.append(own)
        return Conversation(joined)

    def __str__(self) -> str:
        if len(self.messages) == 1:
            return self.prompt
        return "\n".join(f"{message.role}: {message.text}" for message in self.messages)


def conversations(values: Iterable[Any]) -> list[Conversation]:
    """Texts and conversations as conversations."""
    return [Conversation.of(value) for value in values]


def _pair(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2
