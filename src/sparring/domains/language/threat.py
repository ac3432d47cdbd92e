"""What a red team may ask: any text of a sensible length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.threat import ThreatModel
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.diversity import described


@dataclass(frozen=True)
class Prompts(ThreatModel):
    """The adversary is a user: it writes what it likes into the user's turns, up to a length, and nothing else.

    Args:
        characters: of one user's turn, at most.
    """

    characters: int = 2000
    perturbs = False

    def admits(self, cases: Cases, attempts: Any) -> list[bool]:
        return [self._allowed(one) for one in conversations(attempts)]

    def describe(self) -> str:
        return f"any user's text up to {self.characters} characters"

    def check(self, cases: Cases) -> None:
        if not all(self.admits(cases, cases.inputs)):
            raise InvalidCases(f"a case is longer than {self.characters} characters, or brings a system prompt.")

    def survey(self, attempts: Sequence[Any]) -> dict[str, float]:
        return described([one.prompt for one in conversations(attempts)])

    def _allowed(self, asked: Conversation) -> bool:
        users = [message.text for message in asked if message.role == "user"]
        return all(len(text) <= self.characters for text in users) and all(m.role != "system" for m in asked)
