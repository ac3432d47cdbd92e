"""Whether a reply is an answer at all: what is empty, gibberish or the same for everyone helps nobody."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_COMMON = frozenset(
    "a an and are as at be but by can do for from has have how i if in is it it's like my not of on or so that the their "
    "there they this to was we what when which who will with would yes no you your".split()
)
_SHORT = 4  # words; below, an answer such as "Paris" needs no common word
_OPENING = 6  # words by which two replies count as the same sentence
_FEWEST, _SHARE = 3, 0.05  # as many replies, and this part of all, make a sentence a fixed one


def unanswered(replies: Sequence[Any]) -> list[bool]:
    """Whether each reply to a set of different questions is no answer to anything.

    The rule: it is none if it is empty or no text (a failed request); if it has neither a letter nor a digit; if it has
    4 words or more and not one of 50 common English ones; if fewer than one in five of its 20 or more words differ; or
    if it begins with the same six words as at least 3 other replies and 5 % of all.

    Args:
        replies: texts, or what stands for a failed request, one for each of many different questions.
    """
    spoken = [reply if isinstance(reply, str) else "" for reply in replies]
    openings = [_opening(text) for text in spoken]
    counts = Counter(openings)
    fixed = {
        opening
        for opening, count in counts.items()
        if len(opening) == _OPENING and count > _FEWEST and count >= _SHARE * len(spoken)
    }
    return [_empty(text) or opening in fixed for text, opening in zip(spoken, openings, strict=True)]


def _opening(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower())[:_OPENING])


def _empty(text: str) -> bool:
    if not any(letter.isalnum() for letter in text):
        return True
    words = _WORD.findall(text.lower())
    if len(words) >= _SHORT and not _COMMON.intersection(words):
        return True
    return len(words) >= 20 and len(set(words)) < len(words) / 5
