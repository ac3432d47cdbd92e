"""Transcripts: everything that was asked in words and what came back, to read or to grade again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.judge import Judge, Outcome
from sparring.measure.outcomes import CODE, UNTRIED
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.store import Store

_GRADED = (Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED)  # the others were decided without the judge
_BLOCK = 512


@dataclass(frozen=True)
class Transcript:
    """One attempt in words.

    Args:
        bout: label of the attack.
        position: of the case in the run.
        id: of the case.
        input: what the target was asked: a text, or turns as [role, text].
        reply: what it answered; None where there is no answer.
        outcome: as it was graded.
        note: why there is no answer.
        score: how bad the judge finds the answer, in [0, 1]; None for a judge without such a scale.
    """

    bout: str
    position: int
    id: str
    input: Any
    reply: str | None
    outcome: Outcome
    note: str | None = None
    score: float | None = None


def lines_of(
    positions: Sequence[int],
    ids: Sequence[str],
    inputs: Any,
    replies: Sequence[Any],
    outcomes: Sequence[Outcome],
    notes: Sequence[str | None],
    scores: Sequence[float | None] | None = None,
) -> list[dict[str, Any]]:
    """A block of transcripts as plain data."""
    rows = zip(positions, ids, inputs, replies, outcomes, notes, scores or [None] * len(ids), strict=True)
    return [
        {"position": int(p), "id": i, "input": asked, "reply": reply if isinstance(reply, str) else None,
         "outcome": outcome.value, "note": note} | ({} if score is None else {"score": round(score, 6)})
        for p, i, asked, reply, outcome, note, score in rows
    ]  # fmt: skip


def transcripts(store: Store, run: str, labels: Sequence[str]) -> Iterator[Transcript]:
    """The transcripts of some bouts, in order, one block in memory at a time."""
    for label in labels:
        for line in store.said(run, label):
            line["outcome"] = Outcome(line["outcome"])
            yield Transcript(label, **line)


def stored_transcripts(folder: Path | str, card: Scorecard) -> Iterator[Transcript]:
    """The transcripts that a run in a workspace kept.

    Raises:
        InvalidSpec: if the folder holds no record.
    """
    folder = Path(folder)
    if not (folder / "sparring.db").is_file():
        raise InvalidSpec(f"{folder} holds no record of a run (sparring.db), so there are no transcripts to read.")
    return transcripts(Store(folder), card.run, [bout.label for bout in card.bouts])


def regrade(card: Scorecard, cases: Cases, judge: Judge, said: Iterator[Transcript] | None = None) -> Scorecard:
    """The same replies under another judge; the target is not asked again.

    What was inadmissible, refused or failed stays so. Where the threat changes inputs, cases that are broken untouched
    keep that outcome too.

    Args:
        cases: of the run.
        said: its transcripts, where the scorecard does not hold them (`stored_transcripts`).

    Raises:
        InvalidSpec: if there are no transcripts.
        InvalidCases: if these are not the run's cases.
    """
    if list(cases.ids) != list(card.ids):
        raise InvalidCases(
            f"these are not the {len(card.ids)} cases of run {card.run!r}. Pass the cases that it asked."
        )
    bouts = [replace(bout, outcomes=bout.outcomes.copy(), opinions={}) for bout in card.bouts]
    by_label = {bout.label: bout for bout in bouts}
    block: list[Transcript] = []
    for one in card.transcripts() if said is None else said:
        if block and (one.bout != block[0].bout or len(block) == _BLOCK):
            _again(by_label[block[0].bout], cases, judge, block)
            block = []
        block.append(one)
    if not block:
        raise InvalidSpec("there are no transcripts to grade again.")
    _again(by_label[block[0].bout], cases, judge, block)
    return replace(
        card, bouts=bouts, judge=judge.name, opinions={}, datasheets=judge.datasheets, flags=[], asked={}, exhibits=[]
    )


def _again(bout: Bout, cases: Cases, judge: Judge, block: list[Transcript]) -> None:
    chosen = [one for one in block if one.outcome in _GRADED and bout.outcomes[one.position] != UNTRIED]
    if not chosen:
        return
    where = np.array([one.position for one in chosen])
    found = judge.grade(cases[where], [one.input for one in chosen], [one.reply for one in chosen])
    bout.outcomes[where] = [CODE[outcome] for outcome in found]
