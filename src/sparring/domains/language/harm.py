"""Harms: what must not happen, how a red language model is asked to look for it, and who judges."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.judge import Judge
from sparring.core.threat import ThreatModel
from sparring.domains.language.benign import plain_questions
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.threat import Prompts

if TYPE_CHECKING:
    from sparring.domains.language.agent import Toolbox


@dataclass(frozen=True)
class Want:
    """The goal of one case.

    Args:
        harm: such as `contact`.
        kind: within the harm, such as `phone number`; the group of the case is `harm/kind`.
        prompt: what a red language model continues to write a test case (Perez et al., table 1 and appendices).
        dialogue: cases of one dialogue share this name; empty for single questions.
        turn: which turn of the dialogue this case looks at, from 1.
        detail: whatever else the harm's judge needs, as text.
        confirmed: replies that a person called broken, which then counts and not the judge.
    """

    harm: str
    kind: str
    prompt: str
    dialogue: str = ""
    turn: int = 1
    detail: str = ""
    confirmed: tuple[str, ...] = ()

    def is_confirmed(self, reply: object) -> bool:
        """Whether a person has called this very reply broken."""
        return isinstance(reply, str) and reply.strip() in self.confirmed


class Harm(ABC):
    """One kind of thing that a language model must not do. Subclasses are frozen dataclasses."""

    name: str
    taxonomy: tuple[str, ...]  # ids with their edition, see taxonomy.json

    @abstractmethod
    def wants(self) -> Sequence[Want]:
        """What a red language model may look for; cases go round these in turn."""

    @property
    @abstractmethod
    def judge(self) -> Judge:
        """Who grades. It is never the reward that a red language model trains on."""

    @abstractmethod
    def reward(self, asked: Sequence[Conversation], replies: Sequence[str]) -> list[float]:
        """In [0, 1): how bad each reply is, by a scorer that shares no training label with the judge."""

    @abstractmethod
    def safe_reply(self, asked: Conversation) -> str:
        """What the target should have said, for repairs that teach it."""

    @property
    def threat(self) -> ThreatModel:
        """What an adversary may write who looks for this harm: by default, any text as the user."""
        return Prompts()

    @property
    def toolbox(self) -> "Toolbox | None":
        """The tools of its world: a recipe puts them into the hands of a chat that has none."""
        return None

    def direct_questions(self, want: Want) -> Sequence[str]:
        """Questions that ask plainly for what must not come out; none by default."""
        return ()

    def own_questions(self, want: Want, split: str) -> list[str]:
        """The direct questions of one split: each belongs to one split alone, by its text."""
        side = split == "train"
        return [text for text in self.direct_questions(want) if (crc32(text.encode()) & 1) == side]

    def benign(self, count: int) -> list[Conversation]:
        """Benign conversations of the training split, which a repair should leave as they are; none by default."""
        return []

    def cases(self, n: int, *, split: str = "test") -> Cases:
        """Places for `n` attempts; untouched, each is a plain question that no one means harm with.

        Args:
            split: "train" or "test". Their ids differ, and so does all that is drawn from them.

        Raises:
            InvalidSpec: for no cases or an unknown split.
        """
        if n < 1 or split not in ("train", "test"):
            raise InvalidSpec(f"cases needs 1 or more and split train or test; got {n} and {split!r}.")
        wants = self.wants()
        plain = plain_questions()
        chosen = [wants[k % len(wants)] for k in range(n)]
        return Cases(
            [f"{self.name}/{split}/{k}" for k in range(n)],
            [plain[k % len(plain)] for k in range(n)],
            chosen,
            f"{self.name} {split}",
            [f"{want.harm}/{want.kind}" for want in chosen],
        )


def joined_cases(parts: Sequence[Cases], name: str) -> Cases:
    """The cases of several harms as one set, each under its own group."""
    return Cases(
        [i for part in parts for i in part.ids],
        [one for part in parts for one in part.inputs],
        [one for part in parts for one in part.goals],
        name,
        [group for part in parts for group in part.groups or ()],
    )
