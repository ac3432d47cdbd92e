"""Locks: one process at a time works on a path."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, no other process or thread is in here for the same path; a killed one lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as file:
        with contextlib.suppress(ImportError):  # without it two processes do the same work, and one result stays
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
