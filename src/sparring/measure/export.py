"""Export: the attack cases of a run as lines of JSON, with a notice first."""

import json
from collections.abc import Iterator
from pathlib import Path

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.core.shown import keyless
from sparring.measure.scorecard import Scorecard
from sparring.measure.transcript import stored_transcripts

NOTICE = (
    "Attack cases and the replies they drew from one model. They were made to test and repair that model, and some are "
    "offensive or hold made-up personal data. Do not use them against systems that you have no permission to test."
)


def exported(folder: Path, card: Scorecard, broken_only: bool = True) -> Iterator[str]:
    """One JSON object per line: the notice with where the cases come from, then each attempt in words.

    What looks like a key in a reply is cut.

    Args:
        folder: with the run's record.
        card: of the run.
        broken_only: leaves out what did not break the target.

    Raises:
        InvalidSpec: if the run kept no words.
    """
    about = {"target": card.target, "cases": card.cases, "judge": card.judge, "taxonomy": card.taxonomy}
    yield json.dumps({"notice": NOTICE, **about}, ensure_ascii=False)
    groups = dict(zip(card.ids, card.groups, strict=True)) if card.groups else {}
    none = True
    for one in stored_transcripts(folder, card):
        none = False
        if broken_only and one.outcome is not Outcome.BROKEN:
            continue
        reply = None if one.reply is None else keyless(one.reply)
        row = {"attack": one.bout, "id": one.id, "group": groups.get(one.id), "input": one.input, "reply": reply}
        yield json.dumps({**row, "outcome": one.outcome.value}, ensure_ascii=False)
    if none:
        raise InvalidSpec(f"run {card.run!r} kept no attempts in words; what broke an image lies in {folder}/attempts.")
