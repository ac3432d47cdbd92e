"""The page of one comparison: a target before and after, paired by case."""

from pathlib import Path

from sparring.measure.scorecard import Scorecard
from sparring.report import canvas, figures, red_team, summary
from sparring.report.headline import paired_headline
from sparring.report.page import drawn, write_page


def write_comparison(
    before: Scorecard, after: Scorecard, path: Path | str, *, title: str = "Before and after", command: str = ""
) -> Path:
    """Writes the page; the same scorecards give the same bytes.

    Raises:
        InvalidSpec: if judges differ or no case is common.
    """
    comparison = before.compare(after)
    changes = comparison.changes
    cards = [before, after]
    told = summary.names(cards)
    values = {
        "title": title,
        "command": command,
        "cards": cards,
        "sides": summary.sides(cards),
        "names": told,
        "colours": [canvas.colour(place) for place in range(2)],
        "headline": paired_headline(before, after, changes),
        "mismatches": summary.mismatches(cards),
        "changes": changes,
        "vitals": comparison.vitals,
        "repair_flags": red_team.costs_of_repair(cards),
        "figure": drawn(figures.before_after(changes, *told)),
    }
    return write_page("comparison.html.j2", path, values)
