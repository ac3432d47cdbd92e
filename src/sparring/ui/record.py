"""What runs in a workspace left: their scorecards, and what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sparring.core.book import Judged
from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.measure.agreement import with_people
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import Corrected
from sparring.measure.transcript import Transcript, stored_transcripts

PAGE = 20  # transcripts on one page
_CARD = "scorecard.json"
_DEPTH = 4  # folders below the workspace in which a scorecard may lie


@dataclass(frozen=True)
class BoutRow:
    """One attack of a card, with its rate corrected for the judge's errors where these are known."""

    bout: Bout
    corrected: Corrected | None
    broken: int


def card_names(workspace: Path) -> list[str]:
    """The folders of scorecards, by their paths below the workspace."""
    places = (path for depth in range(_DEPTH) for path in workspace.glob(f"{'*/' * depth}{_CARD}"))
    return sorted(path.parent.relative_to(workspace).as_posix() for path in places)


def open_card(workspace: Path, name: str, judged: Sequence[Judged] = ()) -> tuple[Path, Scorecard]:
    """The folder and the scorecard of a name, with what people said about its judge.

    Raises:
        InvalidSpec: if nothing here has that name, or it is no scorecard.
    """
    if name not in card_names(workspace):  # a name is looked up and never joined to a path as it came
        raise InvalidSpec(f"there is no run {name!r} in {workspace}. Choose one of the list.")
    folder = workspace / name
    return folder, with_people(Scorecard.load(folder), judged)


def bout_rows(card: Scorecard) -> list[BoutRow]:
    """The attacks of a card."""
    return [BoutRow(bout, _corrected(card, bout), bout.rate.broken) for bout in card.bouts if bout.role != "curve"]


def words(folder: Path, card: Scorecard, bout: str, start: int, broken_only: bool) -> tuple[list[Transcript], bool]:
    """A page of what was said in one bout, and whether there is more.

    Raises:
        InvalidSpec: if the run kept no words, or has no such bout.
    """
    if bout not in [one.label for one in card.bouts]:
        raise InvalidSpec(f"no attack here is called {bout!r}; there are {', '.join(one.label for one in card.bouts)}.")
    record = folder if (folder / "sparring.db").is_file() else folder.parent
    told = (one for one in stored_transcripts(record, card) if one.bout == bout)
    chosen = (one for one in told if not broken_only or one.outcome is Outcome.BROKEN)
    page = list(islice(chosen, start, start + PAGE + 1))
    return page[:PAGE], len(page) > PAGE


def _corrected(card: Scorecard, bout: Bout) -> Corrected | None:
    # A replay asks what people chose, and counts what they said of it: there is nothing left to correct.
    if not card.datasheets or bout.rate.value is None or bout.role == "replay":
        return None
    try:
        return card.corrected(bout.label)
    except InvalidSpec:  # a harm without a datasheet, or a judge that does no better than chance
        return None
