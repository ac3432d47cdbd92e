"""Spotlit chats: what tools bring in is changed so that it can be told from orders, and the system prompt says how."""

from typing import Protocol

from sparring.core.seed import Seed
from sparring.core.spec import to_spec
from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat, seed_of
from sparring.mitigate.wrapped import Wrapped


class Marking(Protocol):
    """How a tool's text is marked."""

    def marked(self, text: str, nonce: str) -> str:
        """The text as the chat sees it."""

    def explained(self, nonce: str) -> str:
        """What the system prompt says about it."""


class Spotlit(Wrapped):
    """A chat that sees every tool's text marked, and nothing else changed. Without a tool's text it sees all as it is.

    Args:
        marking: of the texts.
        seed: of the nonces, eight hexadecimal digits that belong to the conversation: whoever writes another text into
            it gets another one.
        step: what the lineage says of it.
    """

    def __init__(self, inner: Chat, marking: Marking, seed: Seed, step: Hardening) -> None:
        super().__init__(inner, [to_spec(marking), seed.value], step)
        self.marking, self.seed = marking, seed

    def view(self, asked: Conversation) -> Conversation:
        if all(message.role != "tool" for message in asked):
            return asked
        nonce = f"{seed_of(self.seed, asked).value & 0xFFFFFFFF:08x}"
        marked = Conversation(
            message._replace(text=self.marking.marked(message.text, nonce)) if message.role == "tool" else message
            for message in asked
        )
        return marked.under(self.marking.explained(nonce))
