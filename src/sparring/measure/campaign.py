"""Measure: attack every case, ask target, threat and judge again about each attempt, keep every verdict."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from sparring.attack.suite import Suite
from sparring.attack.suite import suite as named_suite
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec, NotHeldOut
from sparring.core.flag import Flag
from sparring.core.goal import Goals
from sparring.core.judge import GoalReached, Judge, Outcome
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.spec import digest, to_spec
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel
from sparring.core.vital import Reading, Vital
from sparring.measure.answers import refuse_silent
from sparring.measure.card_json import reading_from
from sparring.measure.gather import gather, versions
from sparring.measure.outcomes import CODE
from sparring.measure.plan import Entry, Plan, told
from sparring.measure.referee import BROKEN, HELD, Referee
from sparring.measure.scorecard import Scorecard
from sparring.measure.store import Store

_CHECKED = 100  # cases that the masking checks look at


def measure(
    target: Target,
    cases: Cases,
    threat: ThreatModel,
    *,
    attacks: Sequence[Entry] | None = None,
    suite: str | Suite | None = None,
    judge: Judge | None = None,
    opinions: Sequence[Judge] | Mapping[str, Judge] = (),
    vitals: Sequence[Vital] = (),
    taxonomy: Mapping[str, Sequence[str]] = MappingProxyType({}),
    held_out: Sequence[str] = (),
    learn_from: Cases | None = None,
    radii: Sequence[float] = (),
    budget: Budget = Budget(),
    seed: Seed | int = 0,
    batch: int = 256,
    workspace: Path | str | None = None,
    store: Store | None = None,
    run: str | None = None,
    progress: Progress = Silent(),
) -> Scorecard:
    """Attacks a target on every case and grades what is left of it.

    Every attempt is asked of the target again (`broken` means that it broke twice), the threat model says whether it
    was allowed, and the judge grades it. Cases that are already broken untouched are not attacked, unless the threat says
    that the adversary writes whole inputs. With a workspace, a run that was stopped at any moment goes on where it was
    when the same call is made again.

    Args:
        target: what is under test.
        cases: what to ask it.
        threat: what the adversary may do, for every attack that does not bring its own.
        attacks: each runs on all cases; `(attack, threat)` for one under its own threat.
        suite: "standard" (the default where no attacks are named), "autoattack" or a Suite: stages that run on what is
            left by the stages of the same family before.
        judge: decides what broke; by default the cases' own goals do.
        opinions: other judges that grade the very same replies; what they say stands beside the judge's and decides
            nothing. By name, or under the names of their classes.
        vitals: what the target must still be able to do, read once.
        taxonomy: harm (the part of a group before its `/`) -> ids of published taxonomies, for the report.
        held_out: families that the target must never have trained on.
        learn_from: cases for attacks that learn (universal ones); the first 1,000 of `cases` by default.
        radii: points of a robustness curve, measured with APGD on the first 200 cases.
        budget: forwards per case that one attack may spend.
        seed: same seed, same verdicts, whatever the batch.
        batch: cases in flight at once; memory grows with it and not with the number of cases.
        workspace: folder for the record and the attempts.
        store: an open record, instead of a workspace.
        run: name of the run in the record; by default a digest of everything asked.
        progress: who to tell.

    Raises:
        InvalidCases: empty cases, labels outside the classes, inputs outside the box or not finite.
        Incompatible: an attack that does not fit target or threat.
        NotHeldOut: a family in `held_out` that the target trained on.
        BadTarget: answers that are NaN or of another number.
        RunMismatch: a named run that was asked something else before.
    """
    return Campaign(
        target, cases, threat, attacks, suite, judge, opinions, vitals, taxonomy, held_out, learn_from, radii, budget,
        seed, batch, store or Store(workspace), run, progress,
    ).run()  # fmt: skip


class Campaign:
    """One call of `measure`, taken apart into steps that fit a screen."""

    def __init__(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        attacks: Sequence[Entry] | None,
        suite: str | Suite | None,
        judge: Judge | None,
        opinions: Sequence[Judge] | Mapping[str, Judge],
        vitals: Sequence[Vital],
        taxonomy: Mapping[str, Sequence[str]],
        held_out: Sequence[str],
        learn_from: Cases | None,
        radii: Sequence[float],
        budget: Budget,
        seed: Seed | int,
        batch: int,
        store: Store,
        run: str | None,
        progress: Progress,
    ) -> None:
        if not isinstance(target, Target):
            raise Incompatible(
                f"measure needs a Target; got {type(target).__name__}. Wrap a torch module: Classifier(net, classes=...)."
            )
        if len(cases) == 0:
            raise InvalidCases("there is nothing to measure: the set of cases is empty.")
        if batch < 1:
            raise InvalidSpec(f"batch must be 1 or more; got {batch}.")
        if judge is None and not isinstance(cases.goals, Goals):
            raise InvalidSpec("these cases do not say what counts as broken: pass judge=.")
        if suite is None and attacks is None:
            suite = "standard"
            if not isinstance(target, Differentiable):
                raise Incompatible(
                    f"the default suite needs gradients, which {target.name} does not give. Name attacks: "
                    "attacks=[Square()] for a target with scores, attacks=[HopSkipJump()] for one with labels alone."
                )
        self.target, self.cases, self.threat, self.taxonomy = target, cases, threat, taxonomy
        self.suite = named_suite(suite) if isinstance(suite, str) else suite
        self.vitals = list(vitals)
        seen = {family for step in target.lineage for family in step.families}
        refuse_trained_on(held_out, seen)
        self.plan = Plan(attacks or (), self.suite, radii, threat, seen)
        for stage in self.plan.everything:
            stage.attack.check(target, stage.threat)
        self.referee = Referee(
            target, cases, judge or GoalReached(), _named(opinions), learn_from, budget, Seed.of(seed), batch, store,
            "", self.plan, progress,
        )  # fmt: skip
        self.asked = self._asked(radii)
        self.referee.run = run or digest(self.asked)

    def run(self) -> Scorecard:
        referee = self.referee
        store, run = referee.store, referee.run
        store.open(run, self.asked, versions())
        store.reopen(run, CODE[Outcome.BANNED], referee.batch)
        self._answers()
        vitals = [self._reading(number, vital) for number, vital in enumerate(self.vitals)]
        referee.ask_ahead(self.plan.stages)
        for stage in self.plan.stages:
            referee.bout(stage)
        masking = self._masking()
        if masking:
            for stage in self.plan.escalation:
                self.plan.stages.append(stage)
                referee.bout(stage)
        notes = []
        if not self.target.lineage:
            notes.append("This target brings no history of its training, so every family counts as held out.")
        if self.suite is not None:
            notes.append(told(self.suite, masking))
        elif isinstance(self.target, Differentiable):
            notes.append("No suite ran, so nobody checked whether the gradients are masked.")
        card = gather(
            referee, threat=self.threat.describe(), masking=masking, notes=notes, vitals=vitals, asked=self.asked,
            taxonomy=self.taxonomy,
        )  # fmt: skip
        store.finish(run)
        return card

    def _asked(self, radii: Sequence[float]) -> dict[str, Any]:
        """All that can move a verdict; also where every case is checked before any work is done."""
        referee = self.referee
        hashed = hashlib.blake2b(digest_size=8)
        for block in self.cases.blocks(referee.batch):
            placed = self.target.place(block)
            self.target.check(placed)
            self.threat.check(placed)
            hashed.update(repr(list(block.ids)).encode())
            hashed.update(_bytes(placed.inputs))
            for part in vars(block.goals).values() if isinstance(block.goals, Goals) else [block.goals]:
                hashed.update(_bytes(part))
            if block.groups is not None:
                hashed.update(repr(list(block.groups)).encode())
        learn = referee.learn_from
        asked = {
            "target": f"{self.target.name} {self.target.fingerprint()}",
            "cases": f"{self.cases.name}, {len(self.cases)}, {hashed.hexdigest()}",
            "threat": to_spec(self.threat),
            "attacks": [[to_spec(stage.attack), to_spec(stage.threat)] for stage in self.plan.stages],
            "suite": to_spec(self.suite),
            "judge": referee.judge.name,
            "learn_from": None if learn is None else f"{learn.name}, {len(learn)}",
            "radii": list(radii),
            "budget": to_spec(referee.budget),
            "seed": referee.seed.value,
            "batch": referee.batch,
        }
        if material := [stage.attack.material for stage in self.plan.stages if stage.attack.material]:
            asked["files"] = material
        if self.vitals:
            asked["vitals"] = [[vital.name, to_spec(vital)] for vital in self.vitals]
        if referee.opinions:
            asked["opinions"] = {name: judge.name for name, judge in referee.opinions.items()}
        return asked

    def _answers(self) -> None:
        """Raises BadTarget if the target cannot even answer the first cases; a run that has begun has seen it answer."""
        if self.referee.store.done(self.referee.run, "clean"):
            return
        first = self.target.place(self.cases[: min(8, self.referee.batch)])
        if not isinstance(first.inputs, torch.Tensor):
            return  # answers in words are graded one by one, so a failure is the case's own
        refuse_silent(self.target, first.inputs)

    def _reading(self, number: int, vital: Vital) -> Reading:
        """A vital of the target, read once per run."""
        store, run, name = self.referee.store, self.referee.run, f"vital {number} {vital.name}"
        found = store.fact(run, name)
        if found is None:
            self.referee.progress.start(vital.name, 1)
            store.remember(run, name, asdict(vital.read(self.target)))
            self.referee.progress.advance(vital.name)
            found = store.fact(run, name)
        return reading_from(found)

    def _masking(self) -> list[Flag]:
        """The suite's checks for gradient masking, on the first cases that hold untouched; asked once per run."""
        if self.suite is None or not self.suite.escalation:
            return []
        store, run = self.referee.store, self.referee.run
        found = store.fact(run, "masking")
        if found is None:
            from sparring.attack.masking import masking_flags

            sample = np.flatnonzero(self.referee.outcomes("clean") == HELD)[:_CHECKED]
            cases = self.target.place(self.cases[sample])
            before = np.isin(sample, np.flatnonzero(self._broken_by_suite()))
            seed = self.referee.seed.child("masking")
            flags = masking_flags(self.target, cases, self.threat, seed, torch.from_numpy(before))
            found = [asdict(flag) for flag in flags]
            store.remember(run, "masking", found)
        return [Flag(**flag) for flag in found]

    def _broken_by_suite(self) -> np.ndarray:
        """Bool, shape (case,): what the suite's stages so far have broken."""
        broken = np.zeros(len(self.cases), bool)
        for stage in self.plan.stages:
            if stage.cascade:
                broken |= self.referee.outcomes(stage.bout.label) == BROKEN
        return broken


def refuse_trained_on(held_out: Sequence[str], seen: set[str]) -> None:
    """Raises NotHeldOut if a family is both held out and trained on."""
    both = sorted(set(held_out) & seen)
    if both:
        raise NotHeldOut(
            f"{', '.join(both)} is held out, but this target trained on it. Take it out of held_out, or train on other families."
        )


def _named(judges: Sequence[Judge] | Mapping[str, Judge]) -> dict[str, Judge]:
    """Judges under the names of their classes, told apart by a number, or under the names that they come with."""
    if isinstance(judges, Mapping):
        return dict(judges)
    found: dict[str, Judge] = {}
    for judge in judges:
        name, count = type(judge).__name__, 1
        while (f"{name} ({count})" if count > 1 else name) in found:
            count += 1
        found[f"{name} ({count})" if count > 1 else name] = judge
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().contiguous().numpy().tobytes()
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
