"""In flight: several pieces of work at once, their results as they come."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

R = TypeVar("R")

_GRACE = 5.0  # seconds that Ctrl-C waits for what is in flight


class Stopped(Exception):
    """Work given up because other work of the same call failed for good."""


def as_they_come(work: Callable[[int, threading.Event], R], count: int, workers: int) -> Iterator[tuple[int, R]]:
    """Runs `work(position, stop)` for every position on a few threads; yields (position, result) in any order.

    Where one raises, nothing more is started; what is in flight still comes, and then the first error is raised. On
    Ctrl-C what comes within five seconds is still handed on. Positions start in order.

    Args:
        work: gives up with Stopped where it would wait and `stop` is set.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Any, BaseException | None] | None] = queue.SimpleQueue()
    stop = threading.Event()
    for position in range(count):
        todo.put(position)

    def worker() -> None:
        while not stop.is_set():
            try:
                position = todo.get_nowait()
            except queue.Empty:
                break
            try:
                done.put((position, work(position, stop), None))
            except BaseException as error:
                stop.set()
                done.put((position, None, error))
        done.put(None)

    # Daemons: a request that hangs must not keep the process alive after Ctrl-C.
    running = min(workers, count)
    for _ in range(running):
        threading.Thread(target=worker, daemon=True).start()
    failure: BaseException | None = None
    until: float | None = None
    try:
        while running:
            try:
                result = done.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            except KeyboardInterrupt as interrupt:
                if until is not None:
                    raise
                failure, until = interrupt, time.monotonic() + _GRACE
                stop.set()
                continue
            if result is None:
                running -= 1
            elif result[2] is None:
                yield result[0], result[1]
            elif failure is None and not isinstance(result[2], Stopped):
                failure = result[2]
    finally:
        stop.set()
    if failure is not None:
        raise failure
