"""Whether a reply is an answer at all: what is empty, gibberish or the same for everyone helps nobody."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_COMMON_WORDS = """
a an and are as at be but by can do for from has have how i if in is it it's like my not of on or so that the their there
they this to was we what when which who will with would yes no you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SHORT = 4  # words; below, an answer such as "Paris" needs no common word
_OPENING = 6  # words by which two replies count as the same sentence
_FEWEST, _SHARE = 3, 0.05  # as many replies, and this part of all, make a sentence a fixed one


def unanswered(questions: Sequence[str], replies: Sequence[Any]) -> list[bool]:
    """Whether each reply to one of many different questions is no answer to it.

    The rule: it is none if it is empty or no text (a failed request); if it has neither a letter nor a digit; if it has
    4 words or more and not one of 50 common English ones; if fewer than one in five of its 20 or more words differ; if it
    repeats the whole question and adds fewer than 3 words; or if it begins with the same six words as at least 3 other
    replies and 5 % of all.

    Args:
        replies: texts, or what stands for a failed request, one per question.
    """
    spoken = [reply if isinstance(reply, str) else "" for reply in replies]
    openings = [_opening(text) for text in spoken]
    counts = Counter(openings)
    fixed = {
        opening
        for opening, count in counts.items()
        if len(opening) == _OPENING and count > _FEWEST and count >= _SHARE * len(spoken)
    }
    told = zip(questions, spoken, openings, strict=True)
    return [_empty(text) or _echo(question, text) or opening in fixed for question, text, opening in told]


def _opening(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower())[:_OPENING])


def _empty(text: str) -> bool:
    if not any(letter.isalnum() for letter in text):
        return True
    words = _WORD.findall(text.lower())
    if len(words) >= _SHORT and not _COMMON.intersection(words):
        return True
    return len(words) >= 20 and len(set(words)) < len(words) / 5


def _echo(question: str, text: str) -> bool:
    asked, said = (_WORD.findall(one.lower()) for one in (question, text))
    return len(said) < len(asked) + 3 and " ".join(asked) in " ".join(said)
