"""The page of one comparison: a target before and after, paired by case."""

from pathlib import Path

from sparring.measure.scorecard import Change, Scorecard
from sparring.report import figures, summary
from sparring.report.page import drawn, write_page


def write_comparison(
    before: Scorecard, after: Scorecard, path: Path | str, *, title: str = "Before and after", command: str = ""
) -> Path:
    """Writes the page; the same scorecards give the same bytes.

    Raises:
        InvalidSpec: if judges differ or no case is common.
    """
    changes = before.compare(after).changes
    cards = [before, after]
    told = summary.names(cards)
    values = {
        "title": title,
        "command": command,
        "cards": cards,
        "sides": summary.sides(cards),
        "names": told,
        "colours": [figures.colour(place) for place in range(2)],
        "headline": sentences(changes, told),
        "mismatches": summary.mismatches(cards),
        "changes": changes,
        "figure": drawn(figures.before_after(changes, *told)),
    }
    return write_page("comparison.html.j2", path, values)


def sentences(changes: list[Change], told: list[str]) -> list[str]:
    """What the worst case over everything says, then what must stand beside it."""
    found = {change.label: change for change in changes}
    return [_told(found["worst case, everything"], told)] + [
        f"{words}: {summary.share(found[label].before)} before, {summary.share(found[label].after)} after."
        for label, words in (
            ("clean", "Untouched"),
            ("worst case, held out", "Over families held out from both"),
        )
        if label in found
    ]


def _told(change: Change, told: list[str]) -> str:
    if change.difference is None or change.p_value is None:
        return f"No case was decided for both {told[0]} and {told[1]}, so there is no evidence either way."
    text = (
        f"Against the worst attack tried, {told[0]} holds {summary.share(change.before)} and {told[1]} "
        f"{summary.share(change.after)} of cases"
    )
    if change.p_value >= 0.05:
        return f"{text}; that is too close to be evidence of a difference ({summary.probability(change.p_value)})."
    word = "gain" if change.difference < 0 else "loss"
    return f"{text}: evidence of a {word} against these attacks at this budget ({summary.probability(change.p_value)})."
