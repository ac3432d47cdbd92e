"""The one table that a run prints: targets as rows, what held with its interval, what training cost."""

from collections.abc import Sequence
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sparring.core.errors import InvalidSpec
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate
from sparring.measure.text import percent, text_table
from sparring.report.red_team import costs_of_repair, paired, surveys, vital_rows
from sparring.report.summary import (
    Column,
    Cost,
    Side,
    amount,
    by_kind,
    columns,
    on_average,
    shared_families,
    sides,
    tidy,
    trained,
)

_CAPTION = 92  # columns of the lines below the table, which is seldom narrower
_THREATS = 2  # columns for threats, so that three targets fit 100 characters
_NAME, _HEADING, _INTERVAL = 20, 13, 12  # characters


def comparison_table(cards: Sequence[Scorecard]) -> Table:
    """Per cent of cases held, with 95 % intervals; `print` it on a rich console of 100 columns or more.

    Raises:
        InvalidSpec: if there is no scorecard.
    """
    found = _columns(cards)
    table = Table(
        box=SIMPLE_HEAD, title="held %, 95 % interval", title_justify="left", title_style="dim", pad_edge=False
    )
    table.caption, table.caption_justify = Text(_below(cards)), "left"
    table.add_column(Text("target"), max_width=_NAME, overflow="fold")
    for column in found:
        table.add_column(_heading(column), justify="right", min_width=_INTERVAL, max_width=_HEADING)
    table.add_column(Text("training\ncost"), justify="right", no_wrap=True)
    for place, side in enumerate(sides(cards)):
        first, *rest = _named(side)
        name = Text.assemble((first, "bold"), *((f"\n{line}", "dim") for line in rest))
        rates = [_cell(column.rates[place]) for column in found]
        table.add_row(name, *rates, Text("\n".join(_cost(side.cost))), end_section=place < len(cards) - 1)
    return table


def comparison_text(cards: Sequence[Scorecard]) -> str:
    """The same table as plain text, for `print`, log files and a README.

    Raises:
        InvalidSpec: if there is no scorecard.
    """
    found = _columns(cards)
    heading = ["target", *("\n".join([*wrap(c.heading, _HEADING), *wrap(c.note, _HEADING)]) for c in found), "cost"]
    rows: list[list[str]] = []
    for place, side in enumerate(sides(cards)):
        cells = [_named(side), *(_lines(column.rates[place]) for column in found), _cost(side.cost)]
        rows.append(["\n".join(cell) for cell in cells])
        if place < len(cards) - 1:
            rows.append([""] * len(heading))
    return f"held %, 95 % interval\n{text_table(heading, rows)}\n{_below(cards)}"


def _columns(cards: Sequence[Scorecard]) -> list[Column]:
    if not cards:
        raise InvalidSpec("a table needs one scorecard or more; got none.")
    return columns(cards, most=_THREATS)


def _heading(column: Column) -> Text:
    return Text.assemble((column.heading, "bold"), "\n", (column.note, "not bold dim"))


def _cell(rate: Rate) -> Text:
    first, *rest = _lines(rate)
    return Text.assemble((first, "bold"), *((f"\n{line}", "dim") for line in rest))


def _lines(rate: Rate) -> list[str]:
    """Per cent, interval, and what was not decided."""
    held, interval, counts = percent(rate)
    if rate.held is None and counts == "0":
        return ["-"]
    return [held, *wrap(interval, _HEADING), *counts.split(" + ")[1:]]


def _named(side: Side) -> list[str]:
    how = tidy(trained(side.card))
    return [*wrap(side.name, _NAME), *(wrap(how, _NAME) if how not in side.name else [])]


def _cost(cost: Cost | None) -> list[str]:
    if cost is None:
        return ["-"]
    if cost.time_ratio is None:
        return [f"{cost.seconds:.0f} s"]
    return [f"{cost.time_ratio:.1f}x", f"{cost.seconds:.0f} s"]


def _below(cards: Sequence[Scorecard]) -> str:
    counts = sorted({len(card.ids) for card in cards})
    lines = [f"{' or '.join(f'{count:,}' for count in counts)} cases"]
    shared = shared_families(cards)
    if len(shared) > 1 and any(card.groups for card in cards):
        means = [(side.name, on_average(side.card, shared)) for side in sides(cards)]
        told = ", ".join(
            f"{name} {rate.broken} of {rate.decided} ({amount(rate.value or 0.0, 'share')})"
            for name, rate in means
            if rate.decided
        )
        lines += wrap(f"broken attempts, {len(shared)} held-out families together: {told}", _CAPTION)
    for side in sides(cards):
        if kinds := [f"{tidy(kind)} {rate.broken} of {rate.decided}" for kind, rate in by_kind(side.card).items()]:
            lines += wrap(f"{side.name}, cases broken by any attack: {', '.join(kinds)}", _CAPTION)
    for row in vital_rows(cards):
        told = [
            f"{side.name} {amount(one.value, row.unit)}"
            for side, one in zip(sides(cards), row.readings, strict=True)
            if one
        ]
        lines += wrap(f"{tidy(row.name)} ({row.better} is better): {', '.join(told)}", _CAPTION)
    for side, change in zip(sides(cards), paired(cards), strict=True) if any(card.vitals for card in cards) else ():
        if change is not None and change.difference is not None and change.p_value is not None:
            told = f"{side.name}: {0.0 - 100 * change.difference:+.1f} points held against {cards[0].target}, paired by case"
            lines += wrap(f"{told} ({change.label}, {change.pairs} pairs, p = {change.p_value:.2g})", _CAPTION)
    alike = {
        bout.label: bout.survey["self_bleu"]
        for card in cards[:1]
        for bout in surveys(card)
        if "self_bleu" in bout.survey
    }
    if alike:
        told = ", ".join(f"{tidy(label)} {value:.2f}" for label, value in alike.items())
        lines += wrap(f"self-BLEU of the attacks (1 is all alike): {told}", _CAPTION)
    lines += [
        line for name, flag in costs_of_repair(cards) for line in wrap(f"! {name}: {tidy(flag.text, 300)}", _CAPTION)
    ]
    for side in sides(cards):
        lines += [f"! {side.name}: {tidy(flag.text, 300)}" for flag in side.card.flags]
    return "\n".join(lines)
