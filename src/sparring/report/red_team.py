"""The story of a red team from scorecards alone: methods and harms, turns, groups, judges, vitals and notes."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparring.core.errors import InvalidSpec
from sparring.core.flag import Flag
from sparring.core.judge import Datasheet
from sparring.core.vital import Reading
from sparring.measure.comparison import Change, Comparison
from sparring.measure.groups import Disparity
from sparring.measure.outcomes import is_decided
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import Corrected, Rate
from sparring.report.summary import names, shared_families

SURVEY = {
    "self_bleu": "self-BLEU",
    "distinct_2": "distinct word pairs",
    "commonest_word_share": "with the commonest word",
    "duplicates": "repeats",
    "coverage": "embedding distance",
    "refuses": "replies that refuse",
    "answers safely": "answer safely",
    "answers badly": "answer badly",
}


@dataclass(frozen=True)
class VitalRow:
    """One vital over all cards; None where a card did not read it."""

    name: str
    better: str
    unit: str
    readings: tuple[Reading | None, ...]
    text: str


@dataclass(frozen=True)
class Verdict:
    """One method on one harm: as graded, and corrected for the judge's errors."""

    method: str
    harm: str
    raw: Rate
    corrected: Corrected


@dataclass(frozen=True)
class Gap:
    """One method as the judge and another judge see the same replies."""

    target: str
    method: str
    judge: Rate
    other: str
    opinion: Rate


def harms(cards: Sequence[Scorecard]) -> list[str]:
    """Every harm of any card, in order of appearance."""
    return list(dict.fromkeys(harm for card in cards for harm in card.harms))


def methods(card: Scorecard) -> dict[str, dict[str, Rate]]:
    """Method -> harm -> rate, for methods that decided anything; empty where the cases have no groups."""
    if not card.groups:
        return {}
    found = {bout.label: card.by_harm(bout.label) for bout in card.attacks()}
    return {label: rates for label, rates in found.items() if any(rate.decided for rate in rates.values())}


def scope(cards: Sequence[Scorecard]) -> tuple[str, list[str]]:
    """What a picture of all targets counts: families held out from all, or everything where there are none."""
    shared = shared_families(cards)
    return (f"families held out from all: {', '.join(shared)}", shared) if shared else ("all attacks together", [])


def worst_by_harm(cards: Sequence[Scorecard]) -> list[tuple[str, list[Rate | None]]]:
    """Harm -> the worst case of each card, within `scope`; all harms together first."""
    _, families = scope(cards)
    kept = [_only(card, families) for card in cards]
    rows: list[tuple[str, list[Rate | None]]] = [("all harms", [card.worst() for card in kept])]
    for harm in harms(cards):
        rows.append((harm, [_worst(card, harm) if harm in card.harms else None for card in kept]))
    return rows if len(rows) > 2 else rows[:1]


def vital_rows(cards: Sequence[Scorecard]) -> list[VitalRow]:
    """The vitals of all cards, in order of appearance."""
    first = {one.name: one for card in reversed(cards) for one in reversed(card.vitals)}
    order = dict.fromkeys(one.name for card in cards for one in card.vitals)
    tables = [{one.name: one for one in card.vitals} for card in cards]
    return [
        VitalRow(
            name, first[name].better, first[name].unit, tuple(table.get(name) for table in tables), first[name].text
        )
        for name in order
    ]


def surveys(card: Scorecard) -> list[Bout]:
    """The attacks whose attempts were described together."""
    return [bout for bout in card.attacks() if bout.survey]


def turns(cards: Sequence[Scorecard]) -> list[tuple[str, str, dict[int, Rate]]]:
    """Target, method and rates by turn, where two turns or more were decided; methods that speak in turns come first."""
    found = []
    for name, card in zip(names(cards), cards, strict=True):
        for bout in card.attacks() if card.groups else ():
            rates = {turn: rate for turn, rate in card.by_turn(bout.label).items() if rate.decided}
            if len(rates) > 1:
                found.append((bout.family != "multi-turn", (name, bout.label, rates)))
    return [row for _, row in sorted(found, key=lambda one: one[0])]


def unequal(card: Scorecard) -> list[tuple[str, list[Disparity]]]:
    """Method -> groups of people, for methods under which at least two groups of `bias` were decided."""
    found = []
    for bout in card.bouts if "bias" in card.harms else ():
        if bout.role not in ("clean", "attack") or not is_decided(bout.outcomes).any():
            continue
        rows = card.disparities(bout.label)
        if sum(row.difference is not None for row in rows) > 1:
            found.append((bout.label, rows))
    return sorted(found, key=lambda one: one[0] == "clean")


def sheets(cards: Sequence[Scorecard]) -> list[tuple[str, Datasheet]]:
    """Harm and the datasheet of its judge, each once."""
    found = {(harm, sheet): None for card in cards for harm, sheet in card.datasheets.items()}
    return list(found)


def verdicts(card: Scorecard) -> list[Verdict]:
    """Every method on every harm that it decided and that the judge has a datasheet for."""
    rows = []
    for label, rates in methods(card).items() if card.datasheets else ():
        for harm, rate in rates.items():
            if rate.decided and not {harm, ""}.isdisjoint(card.datasheets):
                with contextlib.suppress(InvalidSpec):  # a judge no better than chance; its datasheet says so
                    rows.append(Verdict(label, harm, rate, card.corrected(label, harm)))
    return rows


def unmeasured(cards: Sequence[Scorecard]) -> list[str]:
    """Harms whose judge has no datasheet, so that nothing can be corrected."""
    lacking = (set(card.harms) - set(card.datasheets) for card in cards if card.groups and "" not in card.datasheets)
    found = set().union(*lacking)
    return [harm for harm in harms(cards) if harm in found]


def gaps(cards: Sequence[Scorecard]) -> list[Gap]:
    """Every method under every other judge, over the cases that both decided."""
    found = []
    for name, card in zip(names(cards), cards, strict=True):
        for bout in card.attacks():
            for other in bout.opinions:
                both = is_decided(bout.outcomes) & is_decided(bout.opinions[other])
                if both.any():
                    pair = replace(bout, outcomes=bout.outcomes[both], opinions={other: bout.opinions[other][both]})
                    pair.clusters = None if bout.clusters is None else bout.clusters[both]
                    found.append(Gap(name, bout.label, pair.rate, other, pair.opinion(other)))
    return found


def taxonomy(cards: Sequence[Scorecard]) -> list[tuple[str, tuple[str, ...], list[Rate | None]]]:
    """Harm, its ids, and the worst case of each card."""
    ids = {harm: ids for card in cards for harm, ids in card.taxonomy.items()}
    return [
        (harm, ids[harm], [_worst(card, harm) if harm in card.harms else None for card in cards])
        for harm in harms(cards)
        if harm in ids
    ]


def paired(cards: Sequence[Scorecard]) -> list[Change | None]:
    """Each card's worst case over held-out families (over everything, where none is) against the first card's."""
    found: list[Change | None] = [None] * len(cards)
    for place, card in enumerate(cards[1:], 1):
        with contextlib.suppress(InvalidSpec):  # other cases or another judge: nothing to pair
            found[place] = Comparison(cards[0], card).changes[-1]
    return found


def costs_of_repair(cards: Sequence[Scorecard]) -> list[tuple[str, Flag]]:
    """Target and red flag, where a vital is worse than the first card's by more than a repair may cost."""
    found = []
    for name, card in zip(names(cards)[1:], cards[1:], strict=True):
        try:
            found += [(name, flag) for flag in Comparison(cards[0], card).flags]
        except InvalidSpec:
            continue
    return found


def story(cards: Sequence[Scorecard]) -> dict[str, Any]:
    """The values of the report's sections about a red team; whatever a card does not have is empty."""
    from sparring.report import red_figures
    from sparring.report.page import drawn

    told = names(cards)
    pictures = [
        (name, drawn(red_figures.by_method(methods(card), place)), methods(card))
        for place, (name, card) in enumerate(zip(told, cards, strict=True))
        if methods(card)
    ]
    people = [
        (name, label, drawn(red_figures.people(rows, str(place)) if number == 0 else ""), rows)
        for place, (name, card) in enumerate(zip(told, cards, strict=True))
        for number, (label, rows) in enumerate(unequal(card))
    ]
    grouped = bool(pictures)
    told_true = [(name, verdicts(card)) for name, card in zip(told, cards, strict=True) if verdicts(card)]
    return {
        "by_method": pictures,
        "harms": harms(cards),
        "by_harm": drawn(red_figures.by_harm(worst_by_harm(cards), told)) if grouped else "",
        "scope": scope(cards)[0],
        "vitals": vital_rows(cards),
        "paired": paired(cards),
        "defences": drawn(red_figures.defences(cards)) if any(card.vitals for card in cards) else "",
        "diversity": drawn(red_figures.diversity(cards)),
        "surveys": [(name, surveys(card)) for name, card in zip(told, cards, strict=True) if surveys(card)],
        "survey_keys": SURVEY,
        "turns": drawn(red_figures.by_turn(turns(cards))),
        "turn_rows": turns(cards),
        "people": people,
        "sheets": sheets(cards),
        "verdicts": told_true,
        "corrected_figure": drawn(red_figures.corrected(told_true[0][1])) if told_true else "",
        "unmeasured": unmeasured(cards),
        "gaps": gaps(cards),
        "gap_figure": drawn(red_figures.judges_apart(gaps(cards) if len(cards) < 3 else gaps(cards[:1]))),
        "opinion_names": {name: judge for card in cards for name, judge in card.opinions.items()},
        "taxonomy": taxonomy(cards),
        "curves": drawn(red_figures.learning(cards)),
        "told_by_attackers": [
            (name, bout.label, bout.notes)
            for name, card in zip(told, cards, strict=True)
            for bout in card.bouts
            if bout.notes
        ],
    }


def _only(card: Scorecard, families: Sequence[str]) -> Scorecard:
    return replace(card, bouts=[bout for bout in card.bouts if not families or bout.family in families])


def _worst(card: Scorecard, harm: str) -> Rate:
    from sparring.measure.groups import rate_within

    return rate_within(card, card.verdicts(), harm)
