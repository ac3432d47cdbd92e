"""The terminal: progress bars, and errors as one sentence."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sparring.core.shown import shown

_WIDE = 120  # columns, where nobody looks at a terminal: log files, pipes
_QUIET = 30.0  # seconds between two lines about the same work, where nobody looks at a terminal
_LEAST = 112  # a narrower terminal wraps the lines, so that no figure is lost


def _console(stderr: bool) -> Console:
    found = Console(stderr=stderr)
    return Console(stderr=stderr, width=max(found.width, _LEAST) if found.is_terminal else _WIDE)


out = _console(stderr=False)
err = _console(stderr=True)


class Bars:
    """Progress on stderr; a sink for `core.progress`.

    On a terminal there is a bar for each named piece of work in hand; elsewhere, now and then a line about those that
    take long.
    """

    def __init__(self, prefix: str = "", bars: Progress | None = None, told: list[float] | None = None) -> None:
        self._bars = bars or Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=err,
            disable=not err.is_terminal,
        )
        self._prefix = prefix
        self._tasks: dict[str, TaskID] = {}
        self._told = told or [time.monotonic()]  # when there was a line last, whoever said it

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def within(self, prefix: str) -> "Bars":
        """The same bars, with names that begin with a prefix."""
        return Bars(prefix, self._bars, self._told)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._bars.console.print(shown(line), markup=False, highlight=False)

    def start(self, name: str, total: int) -> None:
        if name in self._tasks:
            self._bars.reset(self._tasks[name], total=total)
        else:
            for task in self._bars.tasks:
                task.visible = not task.finished  # a recipe has more pieces of work than a screen has lines
            self._tasks[name] = self._bars.add_task(shown(f"{self._prefix}{name}"), total=total, note="")
        self._tell(name, "")

    def advance(self, name: str, amount: int = 1, note: str = "") -> None:
        self._bars.advance(self._tasks[name], amount)
        if note:
            self._bars.update(self._tasks[name], note=shown(note))
        self._tell(name, note)

    def _tell(self, name: str, note: str) -> None:
        """A line where there are no bars, unless the last one was a moment ago."""
        now = time.monotonic()
        if self._bars.disable and now - self._told[0] >= _QUIET:
            self._told[0] = now
            task = next(one for one in self._bars.tasks if one.id == self._tasks[name])
            self.say(f"{self._prefix}{name}: {task.completed:g} of {task.total:g} {note}".rstrip())
