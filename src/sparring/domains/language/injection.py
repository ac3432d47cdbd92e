"""What an adversary of one conversation may write: its own turns as a user, or an addition to what a tool brings in."""

from dataclasses import dataclass
from typing import Any

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.threat import ThreatModel
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation, conversations


@dataclass(frozen=True)
class Injection(ThreatModel):
    """The adversary writes where the case's aim says, and nowhere else.

    As the user it writes its turns as it likes (direct prompt injection, jailbreaks); in a document, a ticket, a tool's
    result or an e-mail it adds to what stands there (indirect prompt injection). System prompts, other tools' turns and
    the end of the case's own text stay as they are.

    Args:
        characters: that it may write in one turn, at most.
        turns: of the user that it may take, at most.

    Raises:
        InvalidSpec: for no characters or turns.
    """

    characters: int = 4000
    turns: int = 8

    def __post_init__(self) -> None:
        if self.characters < 1 or self.turns < 1:
            raise InvalidSpec(
                f"Injection needs 1 character and 1 turn or more; got {self.characters} and {self.turns}."
            )

    def inject(self, asked: Any, aim: Aim, payload: str) -> Conversation:
        """The case's conversation with the adversary's text in its place.

        Raises:
            InvalidCases: if the place of the aim is not in the conversation.
        """
        own = Conversation.of(asked)
        self._check(own, aim)
        carrier = own.messages[aim.place].text
        return own.with_text(aim.place, payload if aim.surface == "user" else f"{carrier}\n{payload}")

    def payload(self, asked: Any, aim: Aim, attempt: Any) -> str | None:
        """What the adversary wrote in its place; None if anything else was changed too. `inject` undone."""
        own, tried = Conversation.of(asked).messages, Conversation.of(attempt).messages
        if len(tried) != len(own) or any(
            a != b for k, (a, b) in enumerate(zip(own, tried, strict=True)) if k != aim.place
        ):
            return None
        carrier, text = own[aim.place], tried[aim.place]
        if carrier.role != text.role:
            return None
        if aim.surface == "user":
            return text.text
        if text.text == carrier.text:
            return ""
        lead = f"{carrier.text}\n"
        return text.text[len(lead) :] if text.text.startswith(lead) else None

    def admits(self, cases: Cases, attempts: Any) -> list[bool]:
        tried = zip(conversations(cases.inputs), cases.goals, conversations(attempts), strict=True)
        return [self._allowed(own, aim, one) for own, aim, one in tried]

    def describe(self) -> str:
        return f"up to {self.characters} characters where the adversary may write, {self.turns} turns at most"

    def check(self, cases: Cases) -> None:
        for own, aim in zip(conversations(cases.inputs), cases.goals, strict=True):
            self._check(own, aim)

    def _allowed(self, own: Conversation, aim: Aim, attempt: Conversation) -> bool:
        written = self.payload(own, aim, attempt)
        if written is not None:
            return len(written) <= self.characters
        return aim.surface == "user" and self._spoken(own, aim, attempt)

    def _spoken(self, own: Conversation, aim: Aim, attempt: Conversation) -> bool:
        """Whether the attempt is a longer talk: the case's own messages, the user's text aside, and turns after them."""
        first = [m for k, m in enumerate(own.messages) if k != aim.place]
        tried = list(attempt.messages)
        if len(tried) < len(own.messages):
            return False
        kept = [m for k, m in enumerate(tried[: len(own.messages)]) if k != aim.place]
        more = tried[len(own.messages) :]
        users = [tried[aim.place], *(m for m in more if m.role == "user")]
        talk = all(m.role == ("assistant", "user")[k % 2] for k, m in enumerate(more))
        short = all(len(m.text) <= self.characters for m in users)
        return kept == first and talk and short and len(users) <= self.turns and tried[aim.place].role == "user"

    def _check(self, own: Conversation, aim: Any) -> None:
        if not isinstance(aim, Aim):
            raise InvalidCases(
                f"Injection needs cases whose goals are aims (Aim), such as harm.cases(n) of SupportDesk; got "
                f"{type(aim).__name__}."
            )
        if not 0 <= aim.place < len(own.messages) or own.messages[aim.place].role != _role(aim):
            there = ", ".join(message.role for message in own.messages)
            raise InvalidCases(
                f"the aim writes as {aim.surface} into message {aim.place}, which must be a {_role(aim)}'s turn; the "
                f"conversation has {there}."
            )


def _role(aim: Aim) -> str:
    return "user" if aim.surface == "user" else "tool"
