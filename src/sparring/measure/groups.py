"""Rates by group: harms and their kinds, turns of a dialogue, groups of people, and what the judge's errors change."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sparring.core.errors import InvalidSpec
from sparring.measure.outcomes import is_broken, is_decided, rate_of
from sparring.measure.statistics import (
    Corrected,
    Rate,
    cluster_bootstrap,
    difference_of,
    holm,
    permuted_differences,
    rogan_gladen,
)

if TYPE_CHECKING:
    from sparring.measure.scorecard import Scorecard

_TURN = re.compile(r"(?:^|/)turn (\d+)$")


@dataclass(frozen=True)
class Disparity:
    """One group against all others of its harm.

    Args:
        group: the part of its name after the harm.
        rate: of this group.
        others: of all other groups together.
        difference: of the shares broken, this group minus the others; None where either has nothing decided.
        low, high: its 95 % interval.
        p_value: of a permutation test, adjusted for the number of groups (Holm).
        mean: the judge's mean score of this group's replies (Perez et al., 2022, section 6); None for a judge without a
            scale, or fewer than 2 scored replies on either side.
        mean_difference, mean_low, mean_high: this group's mean minus the others', with its 95 % interval.
        mean_p_value: as `p_value`, of the scores.
    """

    group: str
    rate: Rate
    others: Rate
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    mean: float | None = None
    mean_difference: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    mean_p_value: float | None = None


def members(card: "Scorecard", group: str) -> np.ndarray:
    """Bool, shape (case,): the cases of a group, or of a harm.

    Raises:
        InvalidSpec: if there are none.
    """
    names = {name for name in dict.fromkeys(card.groups) if name == group or name.startswith(f"{group}/")}
    if not names:
        known = ", ".join(card.harms) or "none, for its cases have no groups"
        raise InvalidSpec(f"no case here belongs to {group!r}; the harms are {known}.")
    return np.fromiter((name in names for name in card.groups), bool, len(card.groups))


def rate_within(card: "Scorecard", outcomes: np.ndarray, group: str) -> Rate:
    """The figures of some verdicts within one group or harm."""
    return _rate(card, outcomes, members(card, group))


def turns(card: "Scorecard", label: str) -> dict[int, Rate]:
    """One attack's figure for each turn, in order; empty where no group is a turn."""
    found: dict[int, list[str]] = {}
    for name in dict.fromkeys(card.groups):
        if match := _TURN.search(name):
            found.setdefault(int(match[1]), []).append(name)
    outcomes = card._bout(label).outcomes
    return {
        turn: _rate(card, outcomes, np.logical_or.reduce([members(card, name) for name in found[turn]]))
        for turn in sorted(found)
    }


def disparities(card: "Scorecard", label: str, harm: str) -> list[Disparity]:
    """Each group of a harm against all its others, the most harmed first; empty for fewer than two groups."""
    names = [name for name in dict.fromkeys(card.groups) if name.startswith(f"{harm}/")]
    if len(names) < 2:
        return []
    outcomes = card._bout(label).outcomes
    inside = members(card, harm)
    decided = inside & is_decided(outcomes)
    place = {name: number for number, name in enumerate(names)}
    of = np.array([place.get(name, -1) for name in card.groups])
    clusters = None if card.clusters is None else card.clusters[decided]
    told = permuted_differences(is_broken(outcomes)[decided], of[decided], clusters) if decided.any() else {}
    found = []
    for number, name in enumerate(names):
        own, others = _rate(card, outcomes, of == number), _rate(card, outcomes, inside & (of != number))
        change = _difference(others, own)
        found.append(Disparity(name.partition("/")[2], own, others, *change, None))
    tested = [place for place, row in enumerate(found) if row.difference is not None]
    adjusted = dict(zip(tested, holm([told[place] for place in tested]), strict=True))
    rows = [replace(row, p_value=adjusted.get(place)) for place, row in enumerate(found)]
    rows = _with_means(rows, card, card._bout(label).scores, np.where(decided, of, -1))
    return sorted(rows, key=lambda row: -(row.rate.value or 0.0))


def _with_means(rows: list[Disparity], card: "Scorecard", scores: np.ndarray | None, of: np.ndarray) -> list[Disparity]:
    """The groups' mean scores beside their rates.

    Args:
        of: int, shape (case,): each case's group, by the row's position; -1 outside the harm and where nothing was decided.
    """
    if scores is None:
        return rows
    scored = (of >= 0) & ~np.isnan(scores)
    values, groups = scores[scored], of[scored]
    clusters = np.flatnonzero(scored) if card.clusters is None else card.clusters[scored]
    able = [place for place in range(len(rows)) if min((groups == place).sum(), (groups != place).sum()) > 1]
    if not able:
        return rows
    told = permuted_differences(values, groups, clusters)
    adjusted = dict(zip(able, holm([told[place] for place in able]), strict=True))
    found = list(rows)
    for place in able:
        own, others = (
            (float(values[chosen].mean()), *cluster_bootstrap(values[chosen], clusters[chosen]))
            for chosen in (groups == place, groups != place)
        )
        change, low, high = difference_of(others, own)
        found[place] = replace(
            rows[place], mean=own[0], mean_difference=change, mean_low=low, mean_high=high, mean_p_value=adjusted[place]
        )
    return found


def corrected(card: "Scorecard", label: str, group: str | None) -> Corrected:
    """One attack's figure corrected for its judge's errors, harm by harm, weighted by what was decided.

    Raises:
        InvalidSpec: without a datasheet for every harm, or where nothing was decided.
    """
    raw = card.rate(label, group)
    if raw.value is None:
        raise InvalidSpec(f"nothing was decided for {label}, so there is no rate to correct.")
    harms = [group] if group is not None else card.harms or [""]
    parts = []
    for harm in harms:
        rate = raw if harm in (group, "") else card.rate(label, harm)
        if rate.value is None:
            continue
        parts.append((rate.decided / raw.decided, _corrected_within(card, rate, harm)))
    value = sum(weight * one[0] for weight, one in parts)
    down = np.sqrt(sum((weight * (one[0] - one[1])) ** 2 for weight, one in parts))
    up = np.sqrt(sum((weight * (one[2] - one[0])) ** 2 for weight, one in parts))
    return Corrected(float(value), max(0.0, float(value - down)), min(1.0, float(value + up)), raw)


def _corrected_within(card: "Scorecard", rate: Rate, group: str) -> tuple[float, float, float]:
    harm = group.partition("/")[0]
    sheet = card.datasheets.get(harm) or card.datasheets.get("")
    if sheet is None:
        about = f" for {harm!r}" if harm else ""
        raise InvalidSpec(
            f"the judge {card.judge} has no datasheet{about}, so its errors are not known and no rate can be corrected "
            "for them. Use a judge with a measured sensitivity and specificity."
        )
    positives = sheet.n / 2 if sheet.positives is None else sheet.positives
    share = rate.broken / rate.decided
    return rogan_gladen(share, _effective(rate), sheet.sensitivity, sheet.specificity, positives, sheet.n - positives)


def _effective(rate: Rate) -> float:
    """How many independent cases would give this interval: fewer than there are, where they come in clusters."""
    share = rate.broken / rate.decided
    if rate.bounds is None or rate.bounds[0] == rate.bounds[1]:
        return rate.decided
    spread = (rate.bounds[1] - rate.bounds[0]) / (2 * 1.96)
    return min(rate.decided, share * (1 - share) / spread**2)


def _difference(first: Rate, second: Rate) -> tuple[float | None, float | None, float | None]:
    if first.value is None or second.value is None or first.interval is None or second.interval is None:
        return None, None, None
    return difference_of((first.value, *first.interval), (second.value, *second.interval))


def _rate(card: "Scorecard", outcomes: np.ndarray, chosen: np.ndarray) -> Rate:
    return rate_of(outcomes[chosen], None if card.clusters is None else card.clusters[chosen])
