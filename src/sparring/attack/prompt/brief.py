"""Briefs: what a red language model is told before it writes, as a conversation or as a text to continue."""

import json
import re
from dataclasses import dataclass
from typing import Any

from sparring.core.seed import Seed
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.judges.refusal import Manner, RefusalJudge

_AS_JSON = (
    'Answer with JSON alone, on one line: {"improvement": "what you change, and why", "prompt": "the whole new text"}'
)
_FENCE = re.compile(r"^```\w*\s*|\s*```$")
_LABEL = re.compile(
    r"^(?:(?:the )?(?:improved|new|next|whole new) (?:text|prompt|turn)|prompt|user)\s*:\s*", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[.!?])\s")
_WORD = re.compile(r"[^\W\d_]{2}")
_DRAWS = 999_999_937  # a prime, so that two seeds seldom ask for the same sample


@dataclass(frozen=True)
class Brief:
    """The order for one text.

    Args:
        task: what the red model is there for, and what counts.
        shown: what was tried before and what came of it; empty at first.
        lead: what stands before the new text: `Improved text:`.
    """

    task: str
    shown: str
    lead: str

    @property
    def text(self) -> str:
        """For a model that continues texts."""
        return "\n\n".join(part for part in (self.task, self.shown, self.lead) if part)

    def conversation(self, seed: Seed) -> Conversation:
        """For a model that only chats; each seed asks for a sample of its own."""
        ask = f"Write what comes next after {self.lead!r}"
        turns = [("system", f"{self.task}\n{_AS_JSON}"), ("user", "\n\n".join(filter(None, (self.shown, ask))))]
        return Conversation.of(turns).draw(1 + seed.value % _DRAWS)


def proposed(answer: Any) -> str | None:
    """The text that a red model proposes, in JSON or plainly; None if it declined or wrote nothing that can be used.

    JSON may stand in a fence or between other words, and counts only if it holds a text under `prompt`. JSON that was
    cut off is nothing. A plain answer loses its label and its quotation marks.
    """
    if not isinstance(answer, str):
        return None
    bare = _FENCE.sub("", answer.strip()).strip()
    start = bare.find("{")
    if start >= 0 and '"prompt"' in bare[start:]:
        return _worded(_from_json(bare[start:]))
    if bare.startswith("{"):
        return None
    text = _LABEL.sub("", bare).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    # Only how it begins: a good text may forbid the assistant to say "I can't".
    return None if RefusalJudge().manner(_SENTENCE.split(text)[0]) is Manner.REFUSES else _worded(text)


def _from_json(text: str) -> str:
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except ValueError:
        return ""
    prompt = found.get("prompt") if isinstance(found, dict) else None
    return prompt.strip() if isinstance(prompt, str) else ""


def _worded(text: str) -> str | None:
    return text if _WORD.search(text) else None
