"""Retries: how long to wait before asking a server again."""

import email.utils
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed


class Clock:
    """Time as it passes; tests pass one that does not."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        """Waits, or until `stop` is set."""
        stop.wait(seconds)


@dataclass(frozen=True)
class Retries:
    """Exponential backoff with jitter: before try n + 1, half to all of `first * 2^n` seconds, at most `longest`.

    The jitter belongs to the request, so a run can be repeated. What the server says in Retry-After counts instead,
    where it is longer; past `patience` nobody waits.

    Args:
        count: tries after the first.
        first: seconds before the second try.
        longest: seconds of backoff.
        patience: seconds that a Retry-After may ask for.

    Raises:
        InvalidSpec: for negative numbers.
    """

    count: int = 5
    first: float = 0.5
    longest: float = 30.0
    patience: float = 600.0

    def __post_init__(self) -> None:
        if min(self.count, self.first, self.longest, self.patience) < 0:
            raise InvalidSpec(f"retries and their seconds cannot be negative; got {self}.")

    def wait(self, tried: int, asked: float | None, seed: Seed) -> float | None:
        """Seconds before the next try, or None to give up.

        Args:
            tried: how often the request failed, from 1.
            asked: seconds that the server asked for.
            seed: of the request.
        """
        if tried > self.count or (asked is not None and asked > self.patience):
            return None
        share = 0.5 + 0.5 * (seed.child("retry", tried).value % 2**20) / 2**20
        return max(asked or 0.0, share * min(self.longest, self.first * 2 ** (tried - 1)))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a reply's Retry-After header asks for, given as seconds or as an HTTP date; None where it does not.

    Source: RFC 9110, section 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
