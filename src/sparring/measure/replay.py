"""Replay: a frozen set of attempts from an earlier run against another target, through the same admission and judge."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases, take
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.judge import GoalReached, Judge
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, digest
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.measure.campaign import measure
from sparring.measure.outcomes import UNTRIED
from sparring.measure.scorecard import Scorecard
from sparring.measure.store import Store


@dataclass(frozen=True)
class Frozen(Attack[Target, Cases, ThreatModel]):
    """Proposes stored attempts and searches for nothing.

    Paper: none; what transfers between models is an old question (Szegedy et al., 2014, arXiv:1312.6199, section 4.2).
    Differs: where a case has several attempts, the first that breaks it is proposed, or else the first.
    Cost per case: one forward for each of its attempts.

    Args:
        source: what the attempts are called in tables.
        digest: tells two sets of attempts apart in the record.
        attempts: the set itself; an id may occur more than once.
        judge: decides which attempt broke a case.
    """

    family = "replay"
    source: str = "replay"
    digest: str = ""
    attempts: Cases | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    judge: Judge = field(default_factory=GoalReached, compare=False, repr=False, metadata=LEARNED)

    @property
    def label(self) -> str:
        return self.source

    @property
    def name(self) -> str:
        return f"replay.{self.source}"

    def cost(self, target: Target) -> int:
        ids = [] if self.attempts is None else list(self.attempts.ids)
        return max(np.unique(ids, return_counts=True)[1], default=0)

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        tensors = isinstance(cases.inputs, torch.Tensor)
        chosen = cases.inputs.clone() if tensors else list(cases.inputs)
        found = torch.zeros(len(cases), dtype=torch.bool)
        tried = np.zeros(len(cases), bool)
        for asked, positions in self._rounds(cases):
            left = [k for k, case in enumerate(asked) if not found[case]]
            if not left:
                continue
            index, rows = np.array(asked)[left], np.array(positions)[left]
            inputs = take(self.attempts.inputs, rows)  # type: ignore[union-attr]
            inputs = inputs.to(cases.inputs) if tensors else inputs
            part = cases[index]
            broke = np.array([o == "broken" for o in self.judge.grade(part, inputs, target(inputs))], bool)
            for k in np.flatnonzero(broke | ~tried[index]):
                chosen[int(index[k])] = inputs[int(k)]
            found[torch.from_numpy(index[broke])] = True
            tried[index] = True
        return Attempts(chosen, found)

    def _rounds(self, cases: Cases) -> list[tuple[list[int], list[int]]]:
        """The first attempt of every case, then the second, ...: positions of cases, and of their attempts."""
        where: dict[str, list[int]] = {}
        for position, name in enumerate(self.attempts.ids if self.attempts is not None else ()):
            where.setdefault(name, []).append(position)
        rounds: list[tuple[list[int], list[int]]] = []
        for case, name in enumerate(cases.ids):
            for turn, position in enumerate(where.get(name, ())):
                if turn == len(rounds):
                    rounds.append(([], []))
                rounds[turn][0].append(case)
                rounds[turn][1].append(position)
        return rounds


def replay(
    target: Target,
    broken: Cases | Mapping[str, tuple[Cases, ThreatModel]],
    threat: ThreatModel,
    originals: Cases,
    *,
    judge: Judge | None = None,
    seed: Seed | int = 0,
    batch: int = 256,
    workspace: Path | str | None = None,
    progress: Progress = Silent(),
) -> Scorecard:
    """Asks another target what an earlier run's attempts do to it.

    Only cases with an attempt are measured, so the figures say how much of what broke the first target breaks this one.

    Args:
        target: what the attempts are tried on.
        broken: `Scorecard.broken()` of the earlier run; or, for each name, attempts and the threat they were made under.
        threat: what the adversary may do.
        originals: the cases that the attempts were made from, found by id.
        judge, seed, batch, workspace, progress: as for `measure`.

    Raises:
        InvalidCases: if there is no attempt, or one whose case is not among the originals.
    """
    frozen = dict(broken) if isinstance(broken, Mapping) else {"replay": (broken, threat)}
    frozen = {name: (attempts, under) for name, (attempts, under) in frozen.items() if len(attempts)}
    if not frozen:
        raise InvalidCases("there is nothing to replay: the earlier run broke no case.")
    wanted = {name for attempts, _ in frozen.values() for name in attempts.ids}
    unknown = sorted(wanted - set(originals.ids))
    if unknown:
        raise InvalidCases(
            f"{len(unknown)} attempts belong to cases that are not here, such as {unknown[0]!r}. "
            "Pass the cases of the run that made them."
        )
    cases = originals[np.array([name in wanted for name in originals.ids])]
    judge = judge or GoalReached()
    attacks = [
        (Frozen(name, digest([list(one.ids), _plain(one.inputs)]), one, judge), under)
        for name, (one, under) in frozen.items()
    ]
    card = measure(
        target, cases, threat, attacks=attacks, judge=judge, seed=seed,
        batch=batch, workspace=workspace, progress=progress,
    )  # fmt: skip
    for bout, (attack, _) in zip([bout for bout in card.bouts if bout.role == "attack"], attacks, strict=True):
        bout.role, bout.held_out = "replay", True
        had = set(attack.attempts.ids) if attack.attempts is not None else set()
        bout.outcomes[[name not in had for name in card.ids]] = UNTRIED
    return card


def stored_attempts(
    folder: Path | str, card: Scorecard, originals: Cases, threats: Mapping[str, ThreatModel]
) -> dict[str, tuple[Cases, ThreatModel]]:
    """The attempts that a run in a workspace kept, under the labels of its attacks.

    Args:
        folder: the run's workspace.
        card: its scorecard.
        originals: its cases.
        threats: threat of each attack, by its description in the scorecard.

    Raises:
        InvalidSpec: if the folder holds no record, or an attack's threat is not given.
        InvalidCases: if the cases are not the run's.
    """
    folder = Path(folder)
    if not (folder / "sparring.db").is_file():
        raise InvalidSpec(f"{folder} holds no record of a run (sparring.db), so there are no attempts to replay.")
    if list(originals.ids) != card.ids:
        raise InvalidCases(
            f"these are not the cases of run {card.run!r}: it had {len(card.ids)}, these are {len(originals)}, and "
            "their ids differ. Name the same data."
        )
    store, frozen = Store(folder), {}
    for bout in card.bouts:
        if bout.role != "attack":
            continue
        parts = list(store.kept(card.run, bout.label))
        if not parts:
            continue
        if bout.threat not in threats:
            raise InvalidSpec(f"{bout.label} ran under {bout.threat!r}, which is not given; given are {list(threats)}.")
        index = np.array([position for positions, _ in parts for position in positions], int)
        inputs = [values for _, values in parts]
        joined = torch.cat(inputs) if isinstance(inputs[0], torch.Tensor) else [x for part in inputs for x in part]
        attempts = dataclasses.replace(originals[index], inputs=joined, name=f"{card.cases}, {bout.label}")
        frozen[bout.label] = (attempts, threats[bout.threat])
    return frozen


def _plain(inputs: Any) -> Any:
    return inputs if isinstance(inputs, torch.Tensor) else list(inputs)
