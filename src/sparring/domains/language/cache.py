"""Reply cache: what was asked once is never asked again, also after a kill and by other processes."""

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sparring.core.errors import InvalidSpec, SparringError

_AT_ONCE = 500  # keys in one query
_WAIT = 60.0  # seconds that a process waits while another one writes
_TABLE = "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL) WITHOUT ROWID"


class ReplyCache:
    """Replies in an SQLite file, one row per request; the key is a digest of everything that decides the reply.

    Each reply is committed as it arrives, so a process may be killed at any moment, and several may share one file: the
    first reply to a request stands, and all get that one. Requests themselves are not stored. `hits` counts requests
    answered from the file, `asked` those that were not in it, `stored` the rows that this object wrote.

    Args:
        path: of the file; its folder is made.

    Raises:
        InvalidSpec: if the file is something else.
        SparringError: if it cannot be read or written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.hits = self.asked = self.stored = 0
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None
        with self._using():
            pass

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The replies that are known."""
        found: dict[bytes, str] = {}
        with self._using() as connection:
            for start in range(0, len(keys), _AT_ONCE):
                part = list(keys[start : start + _AT_ONCE])
                marks = ", ".join("?" * len(part))
                rows = connection.execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", part)
                found.update((bytes(key), _text(reply)) for key, reply in rows)
        return found

    def keep(self, key: bytes, reply: str) -> str:
        """Stores a reply unless there is one, and returns the one that stands."""
        values = (key, reply.encode("utf-8", "surrogatepass"))
        with self._using() as connection:
            if connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", values).rowcount:
                self.stored += 1
                return reply
            (known,) = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return _text(known)

    def __len__(self) -> int:
        with self._using() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def __repr__(self) -> str:
        return f"ReplyCache({str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return ReplyCache, (self.path,)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ReplyCache":
        return self  # a copied target goes on with the same file

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._open is None or self._open[0] != os.getpid():  # SQLite forbids taking one across a fork
                    self._open = (os.getpid(), self._connect())
                yield self._open[1]
            except sqlite3.OperationalError as error:
                raise SparringError(
                    f"the reply cache {self.path} cannot be used ({error}). What was stored is kept: free some space, or "
                    "name another file, and run the same again to go on."
                ) from error
            except sqlite3.DatabaseError as error:
                raise InvalidSpec(f"{self.path} is no reply cache ({error}). Name another file.") from error

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SparringError(f"the reply cache {self.path} has no folder to lie in ({error}).") from error
        # Without an isolation level every statement is a transaction of its own.
        connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
        return connection


def key_of(request: Any) -> bytes:
    """Sixteen bytes that tell two requests apart.

    Args:
        request: plain data with everything that decides the reply.
    """
    return hashlib.blake2b(json.dumps(request, sort_keys=True).encode(), digest_size=16).digest()


def ask_once(
    requests: Sequence[Hashable],
    keys: Callable[[Sequence[Any]], Sequence[bytes]],
    ask: Callable[[Sequence[int]], Iterable[tuple[int, Any]]],
    cache: ReplyCache | None,
) -> list[Any]:
    """A reply to each request; equal ones are asked once, those in the cache not at all.

    Only texts are stored: a failure is asked again the next time.

    Args:
        requests: what is asked; equal ones get one reply.
        keys: of these requests in the cache.
        ask: given positions of requests, yields (index into the positions, reply) as the replies arrive.
        cache: None asks everything.
    """
    first: dict[Hashable, int] = {}
    for k, request in enumerate(requests):
        first.setdefault(request, k)
    positions = list(first.values())
    replies: dict[int, Any] = {}
    digests: dict[int, bytes] = {}
    if cache is not None:
        digests = dict(zip(positions, keys([requests[k] for k in positions]), strict=True))
        known = cache.find(list(digests.values()))
        replies = {k: known[digest] for k, digest in digests.items() if digest in known}
        cache.hits += len(replies)
        cache.asked += len(positions) - len(replies)
    missing = [k for k in positions if k not in replies]
    for index, reply in ask(missing) if missing else ():
        k = missing[index]
        replies[k] = cache.keep(digests[k], reply) if cache is not None and isinstance(reply, str) else reply
    return [replies.get(first[request]) for request in requests]


def _text(stored: bytes) -> str:
    return bytes(stored).decode("utf-8", "surrogatepass")
