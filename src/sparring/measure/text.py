"""Plain-text tables for `print`."""

from collections.abc import Sequence
from typing import Any

from sparring.core.shown import shown
from sparring.measure.statistics import Rate


def text_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, figures to the right; a cell of several lines takes several lines."""
    heads, bodies = _split(heading), [_split(row) for row in rows]
    rows = [line for body in bodies for line in body]
    lines = [*heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    numeric = [all(_is_figure(row[column]) for row in rows) for column in range(len(heading))]
    texts = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*texts[: len(heads)], "-" * max(map(len, texts)), *texts[len(heads) :]])


def percent(rate: Rate) -> tuple[str, str, str]:
    """What held: per cent, 95 % interval, and the number decided with what was not decided beside it."""
    if rate.held is None or rate.held_interval is None:
        return "-", "nothing decided", _beside(rate)
    low, high = rate.held_interval
    return f"{100 * rate.held:.1f}", f"{100 * low:.1f} to {100 * high:.1f}", _beside(rate)


def _beside(rate: Rate) -> str:
    return str(rate.decided) + "".join(f" + {count} {name}" for name, count in rate.beside)


def _split(cells: Sequence[str]) -> list[list[str]]:
    """One list of cells per printed line."""
    columns = [shown(cell).split("\n") for cell in cells]
    return [
        [column[line] if line < len(column) else "" for column in columns] for line in range(max(map(len, columns)))
    ]


def _is_figure(cell: str) -> bool:
    return cell.strip()[:1] in set("0123456789+-<") or not cell.strip()


def as_text(value: Any) -> str:
    """An input as a person reads it: a text as it is, turns of a conversation on a line each."""
    if isinstance(value, str):
        return value
    pairs = isinstance(value, Sequence) and all(
        isinstance(one, Sequence)
        and not isinstance(one, str)
        and len(one) == 2
        and all(isinstance(part, str) for part in one)
        for one in value
    )
    return "\n".join(f"{who}: {what}" for who, what in value) if pairs else str(value)
