"""The terminal: progress bars, and errors as one sentence."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sparring.core.shown import shown

_WIDE = 120  # columns, where nobody looks at a terminal: log files, pipes
_LEAST = 112  # a narrower terminal wraps the lines, so that no figure is lost


def _console(stderr: bool) -> Console:
    found = Console(stderr=stderr)
    return Console(stderr=stderr, width=max(found.width, _LEAST) if found.is_terminal else _WIDE)


out = _console(stderr=False)
err = _console(stderr=True)


class Bars:
    """Progress bars on stderr, one for each named piece of work in hand; a sink for `core.progress`."""

    def __init__(self, prefix: str = "", bars: Progress | None = None) -> None:
        self._bars = bars or Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=err,
        )
        self._prefix = prefix
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def within(self, prefix: str) -> "Bars":
        """The same bars, with names that begin with a prefix."""
        return Bars(prefix, self._bars)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._bars.console.print(shown(line), markup=False, highlight=False)

    def start(self, name: str, total: int) -> None:
        if name in self._tasks:
            self._bars.reset(self._tasks[name], total=total)
            return
        for task in self._bars.tasks:
            task.visible = not task.finished  # a recipe has more pieces of work than a screen has lines
        self._tasks[name] = self._bars.add_task(shown(f"{self._prefix}{name}"), total=total, note="")

    def advance(self, name: str, amount: int = 1, note: str = "") -> None:
        self._bars.advance(self._tasks[name], amount)
        if note:
            self._bars.update(self._tasks[name], note=shown(note))
