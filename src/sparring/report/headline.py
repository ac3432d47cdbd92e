"""The headline: one plain sentence that follows from the figures, and what must stand beside it."""

from collections.abc import Sequence
from dataclasses import replace

from sparring.core.errors import InvalidSpec
from sparring.measure.comparison import Change, Comparison
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import Rate, holm
from sparring.report.red_team import costs_of_repair
from sparring.report.summary import (
    amount,
    clean,
    names,
    over,
    probability,
    share,
    shared_families,
    standard,
    threats,
    tidy,
)

SURE = 0.05  # adjusted p-value below which a page speaks of a difference


def headline(cards: Sequence[Scorecard]) -> list[str]:
    """One plain sentence that follows from the figures, then what must stand beside it."""
    own = {card.threat for card in cards}
    threat = own.pop() if len(own) == 1 and len(threats(cards)) > 1 else None
    if threat not in threats(cards):
        threat = None
    told = names(cards)
    against = f"the worst attack within {tidy(threat)}" if threat else "the worst attack tried"
    best = _best(cards, threat)
    reference = standard(cards) or 0
    if best is None:
        sentences = _undecided(cards, told)
    elif best == reference or len(cards) == 1:
        sentences = [_alone(cards, told, reference, threat, against)]
    else:
        sentences = [_against(cards, told, reference, best, threat, against)]
    if best is not None:
        sentences += _beside(cards, told, reference, best, threat)
    flags = sum(len(card.flags) for card in cards) + len(costs_of_repair(cards))
    if flags:
        sentences.append(
            f"{flags} red {'flag gives' if flags == 1 else 'flags give'} reason to doubt these figures; see below."
        )
    return sentences


def paired_headline(before: Scorecard, after: Scorecard, changes: Sequence[Change]) -> list[str]:
    """What the worst case over everything says, then what must stand beside it."""
    found = {change.label: change for change in changes}
    return [_paired(before, after, found["worst case, everything"])] + [
        f"{words}: {share(found[label].before)} before, {share(found[label].after)} after."
        for label, words in (
            ("clean", "Untouched"),
            ("worst case, held out", "Over families held out from both"),
        )
        if label in found
    ]


def _best(cards: Sequence[Scorecard], threat: str | None) -> int | None:
    """The card that holds most, the earliest of equals; None where nothing was decided.

    One that costs more than a repair may (a target that refuses everything, say) is best only where all others do too.
    """
    held = [card.worst(threat=threat).held for card in cards]
    costly = {name for name, _ in costs_of_repair(cards)}
    decided = [place for place, value in enumerate(held) if value is not None]
    sound = [place for place in decided[1:] if names(cards)[place] not in costly]
    decided = sound + [place for place in decided if place == 0] if sound else decided
    return max(decided, key=lambda place: (held[place], -place)) if decided else None


def _undecided(cards: Sequence[Scorecard], told: list[str]) -> list[str]:
    who = told[0] if len(cards) == 1 else "any of these targets"
    return [f"Nothing could be decided about {who} under attack, so there is no evidence either way."]


def _alone(cards: Sequence[Scorecard], told: list[str], place: int, threat: str | None, against: str) -> str:
    rate = cards[place].worst(threat=threat)
    text = f"Against {against}, {told[place]} holds {share(rate)} of {rate.decided} decided cases"
    if len(cards) > 1:
        text += ", and no other target here holds more"
    return f"{text}: evidence about these attacks at this budget."


def _against(
    cards: Sequence[Scorecard], told: list[str], reference: int, best: int, threat: str | None, against: str
) -> str:
    after, before = cards[best].worst(threat=threat), cards[reference].worst(threat=threat)
    if before.held is None:
        return (
            f"Against {against}, {told[best]} holds {share(after)} of {after.decided} decided cases; nothing could be "
            f"decided about {told[reference]}, so this is no evidence of a difference."
        )
    text = (
        f"Against {against}, {told[best]} holds {share(after)} of cases where {told[reference]} holds {share(before)}"
    )
    found = _adjusted(cards, reference, best, threat)
    if found is None:
        return f"{text}; they cannot be paired by case, so this is no evidence of a difference."
    change, p_value = found
    spared = _spared(cards[reference], cards[best], threat)
    if p_value < SURE and spared:
        return f"{text}; but {told[best]} never met {spared}, so this is no evidence of a difference."
    if p_value < SURE and (change.difference or 0) < 0 and (price := _price(cards[reference], cards[best])):
        return f"{text}; but {price}, so this is no evidence of a repair."
    if p_value < SURE and (change.difference or 0) < 0:
        return f"{text}: evidence of a gain against these attacks at this budget."
    among = f", adjusted for {len(cards) - 1} comparisons" if len(cards) > 2 else ""
    return f"{text}; {_too_close(change, len(cards[best].ids))} ({probability(p_value)}{among})."


def _adjusted(cards: Sequence[Scorecard], reference: int, best: int, threat: str | None) -> tuple[Change, float] | None:
    """The paired change from reference to best, and its exact McNemar p-value.

    The p-value is adjusted for having picked the best of several.
    """
    found: dict[int, tuple[Change, float]] = {}
    for place, card in enumerate(cards):
        if place == reference:
            continue
        pair = [replace(one, bouts=_only(one, threat)) for one in (cards[reference], card)]
        try:
            changes = Comparison(*pair).changes
        except InvalidSpec:
            continue
        worst = next(change for change in changes if change.label == "worst case, everything")
        if worst.p_value is not None:
            found[place] = (worst, worst.p_value)
    adjusted = holm([p_value for _, p_value in found.values()])
    return {place: (found[place][0], value) for place, value in zip(found, adjusted, strict=True)}.get(best)


def _too_close(change: Change, cases: int) -> str:
    if change.pairs < cases:
        return f"over the {change.pairs} of {cases} cases decided for both, that is no evidence of a difference"
    return "that is too close to be evidence of a difference"


def _spared(hit: Scorecard, other: Scorecard, threat: str | None = None) -> str:
    """The attacks that one card met and the other did not."""
    met = {(bout.label, bout.threat) for bout in other.attacks(threat=threat)}
    return ", ".join(tidy(bout.label) for bout in hit.attacks(threat=threat) if (bout.label, bout.threat) not in met)


def _price(before: Scorecard, after: Scorecard) -> str:
    """Which vitals got worse by more than a repair may cost."""
    worse = [change for change in Comparison(before, after).vitals if change.flag is not None]
    return " and ".join(
        f"{tidy(change.before.name)} went from {amount(change.before.value, change.before.unit)} to "
        f"{amount(change.after.value, change.after.unit)}"
        for change in worse
    )


def _only(card: Scorecard, threat: str | None) -> list[Bout]:
    return [bout for bout in card.bouts if bout.role == "clean" or threat in (None, bout.threat)]


def _beside(cards: Sequence[Scorecard], told: list[str], reference: int, best: int, threat: str | None) -> list[str]:
    """The figures that must not be hidden behind the first: clean, everything, held out."""
    places = [best] if best == reference else [best, reference]
    pair, who = [cards[place] for place in places], [told[place] for place in places]
    found = [f"Untouched: {_versus(who, [clean(card) for card in pair])}."]
    if threat is not None:
        found.append(f"Everything tried, all threats together: {_versus(who, [card.worst() for card in pair])}.")
    shared = shared_families(pair)
    if not shared:
        return [*found, "No attack family was held out from training, so nothing is known beyond the attacks it saw."]
    kinds = ", ".join(map(tidy, shared))
    return [*found, f"Held-out families ({kinds}): {_versus(who, [over(card, shared) for card in pair])}."]


def _versus(who: list[str], rates: list[Rate]) -> str:
    if len(rates) == 1:
        return share(rates[0])
    return ", ".join(f"{name} {share(rate)}" for name, rate in zip(who, rates, strict=True))


def _paired(before: Scorecard, after: Scorecard, change: Change) -> str:
    told = names([before, after])
    if change.difference is None or change.p_value is None:
        return f"No case was decided for both {told[0]} and {told[1]}, so there is no evidence either way."
    text = (
        f"Against the worst attack tried, {told[0]} holds {share(change.before)} and {told[1]} "
        f"{share(change.after)} of cases"
    )
    if change.p_value >= SURE:
        return f"{text}; {_too_close(change, len(after.ids))} ({probability(change.p_value)})."
    word = "gain" if change.difference < 0 else "loss"
    winner, spared = (told[1], _spared(before, after)) if word == "gain" else (told[0], _spared(after, before))
    if spared:
        return f"{text}; but {winner} never met {spared}, so this is no evidence of a difference."
    if word == "gain" and (price := _price(before, after)):
        return f"{text}; but {price}, so this is no evidence of a repair."
    return f"{text}: evidence of a {word} against these attacks at this budget ({probability(change.p_value)})."
