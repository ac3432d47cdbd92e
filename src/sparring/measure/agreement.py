"""Agreement of a judge with people: their verdicts in case books, as the judge's datasheet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparring.core.book import Judged
from sparring.core.judge import Datasheet, Outcome
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate

_DECIDED = (Outcome.BROKEN, Outcome.HELD)


@dataclass(frozen=True)
class Agreement:
    """How one judge's verdicts stand to those of people on the same replies.

    Args:
        harm: that the judge grades.
        judge: its name and version.
        found: called broken by people and by the judge.
        missed: called broken by people, held by the judge.
        alarms: called held by people, broken by the judge.
        passed: called held by both.
        untold: a person or the judge could not tell; left out of every share.
    """

    harm: str
    judge: str
    found: int = 0
    missed: int = 0
    alarms: int = 0
    passed: int = 0
    untold: int = 0

    @property
    def sensitivity(self) -> Rate:
        """Of what people call broken, the share that the judge finds."""
        return Rate(self.found, self.found + self.missed)

    @property
    def specificity(self) -> Rate:
        """Of what people call held, the share that the judge leaves alone."""
        return Rate(self.passed, self.passed + self.alarms)

    @property
    def datasheet(self) -> Datasheet | None:
        """The same as a datasheet; None until people have called something broken and something held."""
        sensitivity, specificity = self.sensitivity.value, self.specificity.value
        if sensitivity is None or specificity is None:
            return None
        return Datasheet(
            sensitivity, specificity, self.found + self.missed + self.alarms + self.passed,
            source="people who saw the judge's verdict first (case book)", version=self.judge,
            positives=self.found + self.missed,
        )  # fmt: skip


def agreements(judged: Sequence[Judged]) -> list[Agreement]:
    """One for each harm and version of its judge, in the order in which they first occur."""
    found: dict[tuple[str, str], Agreement] = {}
    for one in judged:
        key = (one.harm, one.judge)
        so_far = found.setdefault(key, Agreement(*key))
        name = _cell(one)
        found[key] = replace(so_far, **{name: getattr(so_far, name) + 1})
    return list(found.values())


def with_people(card: Scorecard, judged: Sequence[Judged]) -> Scorecard:
    """The scorecard with the datasheets that people's verdicts give, for the versions of judges that graded it.

    `corrected` then corrects its rates for them. A harm that people have said too little about keeps its datasheet.
    """
    told = {one.harm: one.datasheet for one in agreements(judged) if one.datasheet is not None and _graded(card, one)}
    return replace(card, datasheets={**card.datasheets, **told}) if told else card


def _graded(card: Scorecard, one: Agreement) -> bool:
    """Whether the card was graded by this judge: alone, or as one of several, each for its harm."""
    part = rf"(?:^ByHarm |, ){re.escape(f'{one.harm}: {one.judge}')}(?:, |$)"
    return card.judge == one.judge or re.search(part, card.judge) is not None


def _cell(one: Judged) -> str:
    if one.person not in _DECIDED or one.verdict not in _DECIDED:
        return "untold"
    if one.person is Outcome.BROKEN:
        return "found" if one.verdict is Outcome.BROKEN else "missed"
    return "alarms" if one.verdict is Outcome.BROKEN else "passed"
