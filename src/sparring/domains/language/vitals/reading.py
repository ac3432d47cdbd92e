"""What the vitals of a chat share: whom they may be read of, and a share with its interval."""

from collections.abc import Sequence
from typing import Any

from sparring.core.errors import BadTarget, Incompatible
from sparring.core.target import Target
from sparring.core.vital import Reading
from sparring.domains.language.target import Chat, Unanswered


def chat_of(target: Target, name: str) -> Chat:
    """The target as a chat.

    Raises:
        Incompatible: if it is none.
    """
    if not isinstance(target, Chat):
        raise Incompatible(f"{name} is read of a Chat target; got {type(target).__name__}.")
    return target


def replies_of(target: Target, name: str, asked: Sequence[Any]) -> list[str | Unanswered]:
    """What a chat answers; a vital is read once, so it is not read of a chat that has shut out whoever asks.

    Raises:
        Incompatible: if the target is no chat.
        BadTarget: if it has.
    """
    replies: list[str | Unanswered] = chat_of(target, name)(list(asked))
    banned = [reply for reply in replies if isinstance(reply, Unanswered) and reply.banned]
    if banned:
        raise BadTarget(
            f"{name} cannot be read of {target.name}: {len(banned)} of {len(asked)} questions had no answer, since "
            f"{banned[0].reason}. What was finished is kept; make the same call again once it answers."
        )
    return replies


def share_of(name: str, counted: Sequence[bool], better: str, passed: Sequence[bool], text: str) -> Reading:
    """The share of what is counted, with its Wilson interval.

    Args:
        passed: per item, whether the target did well, whichever way the share points.
    """
    from scipy.stats import binomtest

    interval = binomtest(sum(counted), len(counted)).proportion_ci(method="wilson")
    value, low, high = sum(counted) / len(counted), float(interval.low), float(interval.high)
    return Reading(name, value, low, high, len(counted), better, "share", tuple(passed), text)
