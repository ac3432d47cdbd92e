"""From the record to the scorecard: everything here can be rebuilt at any time."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sparring.core.cases import Cases, take
from sparring.core.flag import Flag
from sparring.core.goal import Goals
from sparring.core.judge import Outcome
from sparring.core.vital import Reading
from sparring.measure.answers import joined
from sparring.measure.authors import spent_learning
from sparring.measure.card_json import exhibit_from
from sparring.measure.outcomes import CODE, UNTRIED
from sparring.measure.plan import Stage
from sparring.measure.referee import BROKEN, Referee
from sparring.measure.sanity import card_flags
from sparring.measure.scorecard import Exhibit, Scorecard
from sparring.measure.transcript import transcripts


def gather(
    referee: Referee,
    *,
    threat: str,
    masking: list[Flag],
    notes: list[str],
    vitals: list[Reading],
    asked: dict[str, Any],
    taxonomy: Mapping[str, Sequence[str]],
) -> Scorecard:
    """The scorecard of a campaign whose bouts are all on record."""
    target, cases, plan, store, run = referee.target, referee.cases, referee.plan, referee.store, referee.run
    clean = referee.outcomes("clean")
    for stage in plan.stages:
        _fill(referee, stage, clean)
    labels = [stage.bout.label for stage in plan.stages]
    texts = any(stage.bout.role != "curve" and next(store.said(run, stage.bout.label), None) for stage in plan.stages)
    card = Scorecard(
        target=target.name,
        cases=cases.name,
        threat=threat,
        judge=referee.judge.name,
        seed=referee.seed.value,
        ids=list(cases.ids),
        bouts=[stage.bout for stage in plan.stages],
        lineage=target.lineage,
        notes=notes,
        exhibits=list(_exhibits(referee)),
        asked=asked,
        versions=versions(),
        run=run,
        groups=[] if cases.groups is None else list(cases.groups),
        vitals=vitals,
        opinions={name: judge.name for name, judge in referee.opinions.items()},
        datasheets=dict(referee.judge.datasheets),
        taxonomy={harm: tuple(ids) for harm, ids in taxonomy.items()},
        attempts=(lambda: _broken(referee)) if texts or store.workspace is not None else None,
        said=(lambda: transcripts(store, run, labels)) if texts else None,
    )
    doubts = [
        Flag("blind-attacker", f"{label}: {doubt}.")
        for label in labels
        for doubt in spent_learning(store, run, label)["doubts"]
    ]
    card.flags = masking + doubts + card_flags(card, replays=target.replays)
    return card


def versions() -> dict[str, str]:
    """Of whatever can move a verdict."""
    names = ("sparring", "torch", "numpy", "scipy")
    found = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found, "machine": platform.machine()}


def _fill(referee: Referee, stage: Stage, clean: np.ndarray) -> None:
    bout, store, run = stage.bout, referee.store, referee.run
    size = stage.limit or len(clean)
    fair = bout.role == "clean" or referee.plan.follows(stage) or not stage.threat.perturbs
    bout.outcomes = _told(referee.outcomes(bout.label), clean, size, fair)
    for name in referee.opinions:
        found, own = (store.opinions(run, label, name, len(clean), UNTRIED) for label in (bout.label, "clean"))
        bout.opinions[name] = _told(found, own, size, fair)
    spent, learning = store.spent(run, bout.label), spent_learning(store, run, bout.label)
    bout.forwards = spent["forwards"] + learning["forwards"]
    bout.input_backwards = spent["input_backwards"] + learning["input_backwards"]
    bout.claimed, bout.seconds = spent["claimed"], spent["seconds"] + learning["seconds"]
    bout.notes = tuple(learning["notes"])
    bout.scores = _scores(referee, bout.label, len(clean))
    bout.survey = store.fact(run, f"survey {bout.label}") or {}


def _scores(referee: Referee, label: str, size: int) -> np.ndarray | None:
    """How bad the judge found each answer in words; None where no answer has a score."""
    found = np.full(size, np.nan)
    for line in referee.store.said(referee.run, label):
        if line.get("score") is not None:
            found[line["position"]] = line["score"]
    return None if np.isnan(found).all() else found


def _told(outcomes: np.ndarray, clean: np.ndarray, size: int, fair: bool) -> np.ndarray:
    """The outcomes with what the untouched cases decided before any attack, except where every case is attacked."""
    if not fair:
        inside = np.arange(len(clean)) < size
        outcomes[(clean == BROKEN) & inside] = CODE[Outcome.ALREADY_BROKEN]
        for unanswered in (Outcome.ERROR, Outcome.BANNED):
            outcomes[(clean == CODE[unanswered]) & inside] = CODE[unanswered]
    return outcomes


def _exhibits(referee: Referee) -> Iterator[Exhibit]:
    for stage in referee.plan.stages:
        for shown in referee.store.fact(referee.run, f"exhibits {stage.bout.label}") or []:
            yield exhibit_from(shown)


def _broken(referee: Referee) -> Cases:
    """The stored attempts of all attacks that broke their case, as cases with the same goals and groups."""
    positions: list[int] = []
    parts: list[Any] = []
    for bout in (stage.bout for stage in referee.plan.stages if stage.bout.role == "attack"):
        for where, inputs in referee.store.kept(referee.run, bout.label):
            positions += where
            parts.append(inputs)
    cases = referee.cases
    index = np.array(positions, int)
    goals = cases.goals[index] if isinstance(cases.goals, Goals) else take(cases.goals, index)
    groups = None if cases.groups is None else take(cases.groups, index)
    return Cases([cases.ids[k] for k in positions], joined(parts), goals, f"{cases.name}, broken", groups)
