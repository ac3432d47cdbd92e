"""The report: one HTML file that opens offline, for one scorecard or several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from markupsafe import Markup

from sparring.core.errors import InvalidSpec
from sparring.core.panel import Panel
from sparring.measure.scorecard import Bout, Exhibit, Scorecard
from sparring.measure.statistics import Rate
from sparring.report import canvas, figures, red_team, summary
from sparring.report.headline import headline
from sparring.report.page import drawn, write_page

_SHOWN = 6  # exhibits of a target that stand open; the others are folded


@dataclass(frozen=True)
class Row:
    """One attack under one threat; a cell per card, None where the card did not meet it."""

    label: str
    family: str
    threat: str
    cells: tuple[Bout | None, ...]


@dataclass(frozen=True)
class Showcase:
    """What broke one target, by turns from each attack."""

    target: str
    shown: tuple[Exhibit, ...]
    folded: tuple[Exhibit, ...]


@dataclass(frozen=True)
class Lesson:
    """What a generator did as one target learned: the curve of the two players, and pictures of its work."""

    target: str
    curve: Markup
    panels: tuple[Panel, ...]


def write_report(
    cards: Sequence[Scorecard],
    path: Path | str,
    *,
    title: str,
    command: str = "",
    series: Sequence[Scorecard] | None = None,
) -> Path:
    """Writes the report; the same scorecards give the same bytes.

    Args:
        cards: one, or several measured on the same cases; the first is what the others are paired with.
        path: of the file; its folders are made.
        title: of the page.
        command: that makes the same run again.
        series: the scorecards of successive rounds of training.

    Raises:
        InvalidSpec: if there is no scorecard.
    """
    if not cards:
        raise InvalidSpec("a report needs one scorecard or more; got none.")
    values = {
        "title": title,
        "command": command,
        "cards": cards,
        "sides": summary.sides(cards),
        "names": summary.names(cards),
        "colours": [canvas.colour(place) for place in range(len(cards))],
        "headline": headline(cards),
        "mismatches": summary.mismatches(cards),
        "columns": summary.columns(cards),
        "curve": drawn(figures.robustness_curve(cards)),
        "curve_points": curve_points(cards),
        "curve_attacks": sorted({bout.attack for card in cards for bout in card.bouts if bout.role == "curve"}),
        "families": drawn(figures.families_broken(cards)),
        "family_rows": family_rows(cards),
        "rounds": drawn(figures.rounds(series or ())),
        "lessons": lessons(cards),
        "attacks": attack_rows(cards),
        "showcases": showcases(cards),
        "repair_flags": red_team.costs_of_repair(cards),
        **red_team.story(cards),
        "pairings": summary.pairings(cards),
    }
    return write_page("report.html.j2", path, values)


def attack_rows(cards: Sequence[Scorecard]) -> list[Row]:
    """Every attack that any card met, in order of appearance."""
    found: dict[tuple[str, str], Row] = {}
    for card in cards:
        for bout in card.attacks():
            key = (bout.label, bout.threat)
            if key not in found:
                cells = tuple(_met(other, *key) for other in cards)
                found[key] = Row(bout.label, bout.family, bout.threat, cells)
    return list(found.values())


def family_rows(cards: Sequence[Scorecard]) -> list[tuple[str, list[summary.FamilyFigure | None]]]:
    """Each family with its figure per card."""
    tables = [{one.family: one for one in summary.families(card)} for card in cards]
    order = dict.fromkeys(family for table in tables for family in table)
    return [(family, [table.get(family) for table in tables]) for family in order]


def curve_points(cards: Sequence[Scorecard]) -> list[tuple[float, list[Rate | None]]]:
    """Each radius with its figure per card."""
    tables = [dict(summary.curve(card)) for card in cards]
    return [
        (radius, [table.get(radius) for table in tables]) for radius in sorted({r for table in tables for r in table})
    ]


def showcases(cards: Sequence[Scorecard]) -> list[Showcase]:
    """The gallery, for the cards that have exhibits."""
    found = []
    for name, card in zip(summary.names(cards), cards, strict=True):
        stacks = [
            [one for one in card.exhibits if one.bout == bout] for bout in dict.fromkeys(e.bout for e in card.exhibits)
        ]
        turns = [one for turn in zip_longest(*stacks) for one in turn if one is not None]
        if turns:
            found.append(Showcase(name, tuple(turns[:_SHOWN]), tuple(turns[_SHOWN:])))
    return found


def lessons(cards: Sequence[Scorecard]) -> list[Lesson]:
    """The trainings with a second player, and those that have something to show."""
    found = []
    for name, card in zip(summary.names(cards), cards, strict=True):
        for step in card.lineage:
            curve = drawn(figures.duel(step.history, len(found)))
            if curve or step.panels:
                found.append(Lesson(name, curve, step.panels))
    return found


def _met(card: Scorecard, label: str, threat: str) -> Bout | None:
    return next((bout for bout in card.attacks() if (bout.label, bout.threat) == (label, threat)), None)
