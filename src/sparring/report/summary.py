"""What several scorecards say side by side: names, columns of figures, families, curves, costs and pairs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.core.shown import keyless
from sparring.measure.comparison import Change, Comparison, VitalChange
from sparring.measure.groups import rate_within
from sparring.measure.outcomes import CODES, UNTRIED, rate_of
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import Rate

LIMITS = (
    "What held has held against these attacks, on these cases, at this budget; nothing here says what another attack, "
    "a longer search or a wider threat would find."
)
_NOTHING = Rate(0, 0)
_KINDS = 8  # of cases that fit on a line


@dataclass(frozen=True)
class Column:
    """One figure of every card; `note` says what the heading leaves out."""

    heading: str
    rates: tuple[Rate, ...]
    note: str = ""


@dataclass(frozen=True)
class FamilyFigure:
    """What one family broke of the cases that held untouched and that it was given."""

    family: str
    rate: Rate
    held_out: bool
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What training cost over the whole lineage; ratios are to standard training, None where there is none."""

    seconds: float
    forwards: int
    time_ratio: float | None
    forward_ratio: float | None


@dataclass(frozen=True)
class Side:
    """One target on a page."""

    name: str
    card: Scorecard
    cost: Cost | None


@dataclass(frozen=True)
class Pairing:
    """A paired comparison of two cards on a page, or the sentence that says why there is none."""

    before: str
    after: str
    changes: tuple[Change, ...] = ()
    vitals: tuple[VitalChange, ...] = ()
    refusal: str = ""


def names(cards: Sequence[Scorecard]) -> list[str]:
    """One name per card, told apart by its last defence or else by a number where targets share a name."""
    plain = [tidy(card.target) or "unnamed" for card in cards]
    told = [
        f"{name}, {trained(card)}" if plain.count(name) > 1 else name for name, card in zip(plain, cards, strict=True)
    ]
    return [f"{name} ({told[: i + 1].count(name)})" if told.count(name) > 1 else name for i, name in enumerate(told)]


def sides(cards: Sequence[Scorecard]) -> list[Side]:
    """Each card with its name and its cost."""
    return [Side(*parts) for parts in zip(names(cards), cards, costs(cards), strict=True)]


def trained(card: Scorecard) -> str:
    """The card's lineage in words."""
    if not card.lineage:
        return "as it came"
    return " then ".join(tidy(step.defence.rsplit(".", 1)[-1].replace("_", " ")) for step in card.lineage)


def tidy(text: str, longest: int = 80) -> str:
    """One line without control characters and keys, cut to a length."""
    line = " ".join("".join(char if char.isprintable() else " " for char in keyless(text)).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def threats(cards: Sequence[Scorecard]) -> list[str]:
    """Every threat that an attack ran under, the cards' own first."""
    ran = list(dict.fromkeys(bout.threat for card in cards for bout in card.attacks()))
    own = [threat for threat in dict.fromkeys(card.threat for card in cards) if threat in ran]
    return own + [threat for threat in ran if threat not in own]


def clean(card: Scorecard) -> Rate:
    """The untouched cases; nothing decided where they were not measured."""
    return card.clean if any(bout.label == "clean" for bout in card.bouts) else _NOTHING


def over(card: Scorecard, families: Collection[str]) -> Rate:
    """Worst case over the attacks of these families."""
    return rate_of(_kept(card, [bout for bout in card.bouts if bout.family in families]))


def shared_families(cards: Sequence[Scorecard]) -> list[str]:
    """Families that are held out from every card: what may be compared between them."""
    return sorted(set.intersection(*(set(card.held_out_families) for card in cards)))


def columns(cards: Sequence[Scorecard], most: int = 4) -> list[Column]:
    """Clean, the worst case of each threat (at most so many), over everything, and over families held out from all."""
    found = [Column("clean", tuple(clean(card) for card in cards), "untouched cases")]
    every = threats(cards)
    if len(every) > 1:
        shown = every if len(every) <= most else every[: most - 1]
        for threat in shown:
            found.append(Column(tidy(threat), tuple(card.worst(threat=threat) for card in cards), "worst case"))
        rest = [threat for threat in every if threat not in shown]
        if rest:
            rates = tuple(_under(card, rest) for card in cards)
            found.append(Column(f"{len(rest)} other threats", rates, "worst case"))
    note = tidy(every[0]) if len(every) == 1 else "worst case, all threats"
    found.append(Column("everything", tuple(card.worst() for card in cards), note))
    shared = shared_families(cards)
    note = ", ".join(map(tidy, shared)) if shared else "no family was held out from all"
    found.append(Column("held out", tuple(over(card, shared) for card in cards), note))
    if any(bout.adaptive for card in cards for bout in card.attacks()):
        found.append(Column("adaptive", tuple(card.adaptive for card in cards), "searched anew against each"))
    return found


def families(card: Scorecard) -> list[FamilyFigure]:
    """What each family broke that held untouched."""
    found = []
    for family in dict.fromkeys(bout.family for bout in card.attacks()):
        bouts = [bout for bout in card.attacks() if bout.family == family]
        verdicts = _kept(card, bouts)
        verdicts = verdicts[verdicts != CODES.index(Outcome.ALREADY_BROKEN)]
        held_out = all(bout.held_out for bout in bouts)
        found.append(FamilyFigure(family, rate_of(verdicts), held_out, tuple(bout.label for bout in bouts)))
    return found


def on_average(card: Scorecard, families: Collection[str]) -> Rate:
    """All attempts of these families together, of the cases that held untouched: how often one of them works."""
    attempts = [bout.outcomes for bout in card.attacks() if bout.family in families]
    verdicts = np.concatenate(attempts) if attempts else np.zeros(0, np.int8)
    return rate_of(verdicts[verdicts != CODES.index(Outcome.ALREADY_BROKEN)])


def by_kind(card: Scorecard) -> dict[str, Rate]:
    """What any attack broke of each kind of case, where there are a few kinds of one harm; empty elsewhere."""
    groups = list(dict.fromkeys(card.groups))
    if not 1 < len(groups) <= _KINDS or len({group.partition("/")[0] for group in groups}) > 1:
        return {}
    return {group.partition("/")[2] or group: rate_within(card, card.verdicts(), group) for group in groups}


def curve(card: Scorecard) -> list[tuple[float, Rate]]:
    """Radius and figure, from the untouched cases at radius 0 upwards, all on the same cases."""
    points = [bout for bout in card.bouts if bout.role == "curve" and bout.radius is not None]
    if not points:
        return []
    found = {float(bout.radius or 0): bout.rate for bout in points}
    untouched = [bout for bout in card.bouts if bout.role == "clean"]
    if untouched:
        found.setdefault(0.0, rate_of(untouched[0].outcomes[points[0].outcomes != UNTRIED]))
    return sorted(found.items())


def costs(cards: Sequence[Scorecard]) -> list[Cost | None]:
    """Training cost of each card; None for a target that was not trained here."""
    totals = [
        (sum(step.seconds for step in card.lineage), sum(step.forwards for step in card.lineage)) for card in cards
    ]
    place = standard(cards)
    seconds, forwards = (0.0, 0) if place is None else totals[place]
    return [
        Cost(spent, asked, spent / seconds if seconds else None, asked / forwards if forwards else None)
        if card.lineage
        else None
        for card, (spent, asked) in zip(cards, totals, strict=True)
    ]


def pairings(cards: Sequence[Scorecard]) -> list[Pairing]:
    """The first card against each other one."""
    told = names(cards)
    found = []
    for name, card in zip(told[1:], cards[1:], strict=True):
        try:
            pair = Comparison(cards[0], card)
            found.append(Pairing(told[0], name, tuple(pair.changes), tuple(pair.vitals)))
        except InvalidSpec as refusal:
            found.append(Pairing(told[0], name, refusal=str(refusal)))
    return found


def mismatches(cards: Sequence[Scorecard]) -> list[str]:
    """Why figures on one page may not be compared at a glance."""
    found = []
    for what, values in (
        ("judges", [card.judge for card in cards]),
        ("cases", [card.ids for card in cards]),
        ("threats", [card.threat for card in cards]),
        ("attacks", [sorted((bout.label, bout.threat) for bout in card.attacks()) for card in cards]),
    ):
        if any(value != values[0] for value in values[1:]):
            found.append(f"These targets did not meet the same {what}, so compare their figures with care.")
    return found


def standard(cards: Sequence[Scorecard]) -> int | None:
    """Where the first card stands whose lineage is standard training and nothing else."""
    for place, card in enumerate(cards):
        if card.lineage and all(step.defence.rsplit(".", 1)[-1].lower() == "standard" for step in card.lineage):
            return place
    return None


def share(rate: Rate) -> str:
    """What held, with its interval: `71.0 % (67.4 to 75.1)`."""
    if rate.held is None or rate.held_interval is None:
        return "nothing decided"
    low, high = rate.held_interval
    return f"{100 * rate.held:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def amount(value: float, unit: str) -> str:
    """A share as `12.3 %`, anything else as it is."""
    return f"{100 * value:.1f} %" if unit == "share" else f"{value:.1f}"


def probability(p_value: float) -> str:
    """`p < 0.0001` or `p = 0.0123`."""
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.4f}"


def _kept(card: Scorecard, bouts: list[Bout]) -> np.ndarray:
    return replace(card, bouts=bouts).verdicts()


def _under(card: Scorecard, some: Collection[str]) -> Rate:
    return rate_of(_kept(card, [bout for bout in card.bouts if bout.threat in some]))
