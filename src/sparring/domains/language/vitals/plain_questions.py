"""Plain questions: does the target still know what it knew?"""

import re
from dataclasses import dataclass

from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.benign import checkable_questions
from sparring.domains.language.vitals.reading import replies_of, share_of

_LEADING = 200  # characters of a reply in which the answer must stand


@dataclass(frozen=True)
class PlainQuestions(Vital):
    """The share of easy questions that the target answers rightly.

    An accepted answer must stand, as a word of its own, in the first 200 characters of the reply.
    Cost: one reply per question.
    """

    @property
    def name(self) -> str:
        return "plain questions"

    def read(self, target: Target) -> Reading:
        asked = checkable_questions()
        replies = replies_of(target, self.name, [question for question, _ in asked])
        passed = tuple(
            isinstance(reply, str) and rightly(reply, answers)
            for reply, (_, answers) in zip(replies, asked, strict=True)
        )
        text = f"Of {len(asked)} easy questions, {sum(passed)} were answered rightly."
        return share_of(self.name, passed, "higher", passed, text)


def rightly(reply: str, answers: tuple[str, ...]) -> bool:
    """Whether one of the accepted answers stands early in the reply, as a word of its own."""
    early = reply[:_LEADING]
    return any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", early, re.IGNORECASE) for answer in answers)
