"""Limits: what a scorecard must reach for a gate to open, checked so that missing evidence never passes."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate


@dataclass(frozen=True)
class Limits:
    """What is expected of one scorecard, as shares in [0, 1]; None expects nothing.

    Args:
        broken: largest worst-case broken rate over all attacks.
        broken_held_out: largest worst-case broken rate over held-out families.
        clean: smallest share that holds untouched: clean accuracy.
        undecided: largest share of cases without a verdict, behind each of these figures.

    Raises:
        InvalidSpec: for a share outside [0, 1].
    """

    broken: float | None = None
    broken_held_out: float | None = None
    clean: float | None = None
    undecided: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 <= value <= 1:
                raise InvalidSpec(f"the limit {name} is a share between 0 and 1; got {value}.")


@dataclass(frozen=True)
class Finding:
    """One limit and what was found.

    Args:
        name: of the limit.
        passed: whether the scorecard keeps it.
        text: one sentence with the figure, its interval and the limit.
    """

    name: str
    passed: bool
    text: str


def check_limits(card: Scorecard, limits: Limits) -> list[Finding]:
    """One finding for each limit that is set.

    Raises:
        InvalidSpec: if none is set.
    """
    figures = (
        ("broken", card.worst(), limits.broken),
        ("broken_held_out", card.worst(held_out=True), limits.broken_held_out),
        ("clean", card.clean, limits.clean),
    )
    findings = [_finding(name, rate, limit, limits.undecided) for name, rate, limit in figures if limit is not None]
    if not findings:
        raise InvalidSpec(
            "there is nothing to check: set --max-broken, --max-broken-held-out or --min-clean, or limits."
        )
    return findings


def _finding(name: str, rate: Rate, limit: float, undecided: float) -> Finding:
    open_cases = sum(count for _, count in rate.beside)
    if rate.value is None:
        return Finding(name, False, f"{name}: nothing was decided, so nothing is known.")
    share = open_cases / (open_cases + rate.decided)
    if share > undecided:
        text = f"{name}: {open_cases} of {open_cases + rate.decided} cases have no verdict ({rate}); {undecided:g} is allowed."
        return Finding(name, False, text)
    if name == "clean":
        figure, passed, relation = 1 - rate.value, 1 - rate.value >= limit, "at least"
    else:
        figure, passed, relation = rate.value, rate.value <= limit, "at most"
    return Finding(name, passed, f"{name}: {figure:.4f}, {relation} {limit:g} is asked for ({rate}).")
