"""Measure: attack every case, ask target, threat and judge again about each attempt, keep every verdict."""

import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.attack.none import Untouched
from sparring.attack.suite import Suite
from sparring.attack.suite import suite as named_suite
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases, take
from sparring.core.errors import BadTarget, Incompatible, InvalidCases, InvalidSpec, NotHeldOut, SparringError
from sparring.core.flag import Flag
from sparring.core.goal import Goals
from sparring.core.judge import GoalReached, Judge, Outcome
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.spec import digest, to_spec
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel
from sparring.measure.sanity import card_flags
from sparring.measure.scorecard import UNTRIED, Bout, Exhibit, Scorecard, codes, exhibit_from
from sparring.measure.store import Store

Entry = Attack[Any, Any, Any] | tuple[Attack[Any, Any, Any], ThreatModel]
_BROKEN = codes([Outcome.BROKEN])[0]
_HELD = codes([Outcome.HELD])[0]
_EXHIBITS = 4  # broken cases shown per attack
_LEARN = 1000  # cases that an attack may learn from, where the caller names none
_CHECKED = 100  # cases that the masking checks look at
_CURVE = 200  # cases behind each point of a robustness curve


def measure(
    target: Target,
    cases: Cases,
    threat: ThreatModel,
    *,
    attacks: Sequence[Entry] | None = None,
    suite: str | Suite | None = None,
    judge: Judge | None = None,
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
    was allowed, and the judge grades it. Cases that are already broken untouched are not attacked. With a workspace,
    a run that was stopped at any moment goes on where it was when the same call is made again.

    Args:
        target: what is under test.
        cases: what to ask it.
        threat: what the adversary may do, for every attack that does not bring its own.
        attacks: each runs on all cases; `(attack, threat)` for one under its own threat.
        suite: "standard" (the default where no attacks are named), "autoattack" or a Suite: stages that run on what is
            left by the stages of the same family before.
        judge: decides what broke; by default the cases' own goals do.
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
        target, cases, threat, attacks, suite, judge, held_out, learn_from, radii, budget, seed, batch,
        store or Store(workspace), run, progress,
    ).run()  # fmt: skip


@dataclass
class _Stage:
    """One attack to run, and whose survivors it is given."""

    attack: Attack[Any, Any, Any]
    bout: Bout
    threat: ThreatModel
    cascade: bool = False
    limit: int | None = None


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
        self.target, self.cases, self.threat = target, cases, threat
        self.suite = named_suite(suite) if isinstance(suite, str) else suite
        self.judge = judge or GoalReached()
        self.learn_from = learn_from
        self.budget, self.seed, self.batch = budget, Seed.of(seed), batch
        self.store, self.progress = store, progress
        self.seen = {family for step in target.lineage for family in step.families}
        refuse_trained_on(held_out, self.seen)
        self.stages = self._plan(attacks or (), radii)
        self.escalation = self._suite_stages(self.suite.escalation) if self.suite else []
        self._name_apart(self.stages + self.escalation)
        for stage in self.stages + self.escalation:
            stage.attack.check(target, stage.threat)
        self.asked = self._asked(radii)
        self.name = run or digest(self.asked)

    def run(self) -> Scorecard:
        self.store.open(self.name, self.asked, _versions())
        self._answers()
        for stage in self.stages:
            self._bout(stage)
        flags = self._masking()
        if flags:
            for stage in self.escalation:
                self.stages.append(stage)
                self._bout(stage)
        card = self._card(flags)
        self.store.finish(self.name)
        return card

    def _plan(self, attacks: Sequence[Entry], radii: Sequence[float]) -> list[_Stage]:
        clean = Untouched()
        stages = [_Stage(clean, Bout("clean", clean.name, clean.family, "untouched", True, "clean"), self.threat)]
        for entry in attacks:
            attack, threat = entry if isinstance(entry, tuple) else (entry, self.threat)
            stages.append(self._stage(attack, threat))
        if self.suite:
            stages += self._suite_stages(self.suite.stages)
        for radius in radii:
            stages.append(self._curve_point(radius))
        return stages

    @staticmethod
    def _name_apart(stages: Sequence[_Stage]) -> None:
        """Labels are the keys of the record, so the second `pgd` becomes `pgd (2)`."""
        labels: dict[str, int] = {}
        for stage in stages:
            count = labels[stage.bout.label] = labels.get(stage.bout.label, 0) + 1
            if count > 1:
                stage.bout.label += f" ({count})"

    def _stage(self, attack: Attack[Any, Any, Any], threat: ThreatModel, cascade: bool = False) -> _Stage:
        held_out = not any(part.family in self.seen for part in attack.parts)
        spec = to_spec(attack)
        bout = Bout(attack.label, attack.name, attack.family, threat.describe(), held_out, spec=spec)
        return _Stage(attack, bout, threat, cascade)

    def _suite_stages(self, attacks: Sequence[Attack[Any, Any, Any]]) -> list[_Stage]:
        return [self._stage(attack, self.threat, cascade=True) for attack in attacks]

    def _curve_point(self, radius: float) -> _Stage:
        from sparring.attack.gradient.apgd import APGD

        threat = getattr(self.threat, "scaled", None)
        if threat is None:
            raise InvalidSpec(f"radii need a threat with a radius; got {self.threat.describe()}.")
        stage = self._stage(APGD(steps=20), threat(radius))
        stage.bout.label, stage.bout.role, stage.bout.radius = f"radius {radius:g}", "curve", radius
        stage.limit = _CURVE
        return stage

    def _asked(self, radii: Sequence[float]) -> dict[str, Any]:
        """All that can move a verdict; also where every case is checked before any work is done."""
        hashed = hashlib.blake2b(digest_size=8)
        for block in self.cases.blocks(self.batch):
            placed = self.target.place(block)
            self.target.check(placed)
            self.threat.check(placed)
            hashed.update(repr(list(block.ids)).encode())
            hashed.update(_bytes(placed.inputs))
            for part in vars(block.goals).values() if isinstance(block.goals, Goals) else [block.goals]:
                hashed.update(_bytes(part))
        learn = self.learn_from
        return {
            "target": f"{self.target.name} {self.target.fingerprint()}",
            "cases": f"{self.cases.name}, {len(self.cases)}, {hashed.hexdigest()}",
            "threat": to_spec(self.threat),
            "attacks": [[to_spec(stage.attack), to_spec(stage.threat)] for stage in self.stages],
            "suite": to_spec(self.suite),
            "judge": self.judge.name,
            "learn_from": None if learn is None else f"{learn.name}, {len(learn)}",
            "radii": list(radii),
            "budget": to_spec(self.budget),
            "seed": self.seed.value,
            "batch": self.batch,
        }

    def _answers(self) -> None:
        """Raises BadTarget if the target cannot even answer the first cases."""
        first = self.target.place(self.cases[: min(8, self.batch)])
        try:
            outputs = self.target(first.inputs)
        except SparringError:
            raise
        except Exception as error:
            shape = tuple(getattr(first.inputs, "shape", (len(first),)))
            raise BadTarget(
                f"{self.target.name} raised on the first cases, inputs of shape {shape}: {_reason(error)}. "
                "Check that the cases have the shape that it takes (images: batch, channel, height, width)."
            ) from error
        if isinstance(outputs, torch.Tensor) and not bool(torch.isfinite(outputs).all()):
            raise BadTarget(
                f"{self.target.name} answered NaN or infinity on untouched cases. Check its weights and normalisation."
            )

    def _bout(self, stage: _Stage) -> None:
        label = stage.bout.label
        size = len(self.cases) if stage.limit is None else min(stage.limit, len(self.cases))
        done = self.store.done(self.name, label)
        blocks = [(i, start) for i, start in enumerate(range(0, size, self.batch)) if i not in done]
        self.progress.start(label, size)
        self.progress.advance(label, size - sum(min(self.batch, size - start) for _, start in blocks))
        if not blocks:
            return
        tried = self._tried(stage, size)
        seed = self.seed.child(stage.attack.name)
        attack = self._prepared(stage, seed)
        for index, start in blocks:
            stop = min(start + self.batch, size)
            self._block(stage, attack, seed, index, np.flatnonzero(tried[start:stop]) + start)
            self.progress.advance(label, stop - start)

    def _tried(self, stage: _Stage, size: int) -> np.ndarray:
        """Bool, shape (case,): cases that hold untouched and, in a suite, under the stages of the same family before.

        Families cascade apart, so that each has a worst case of its own, whichever of them is held out.
        """
        if stage.bout.role == "clean":
            return np.ones(size, bool)
        tried = self._outcomes("clean")[:size] == _HELD
        for other in self.stages if stage.cascade else ():
            if other is not stage and other.cascade and other.bout.family == stage.bout.family:
                tried &= self._outcomes(other.bout.label)[:size] != _BROKEN
        return tried

    def _outcomes(self, label: str) -> np.ndarray:
        return self.store.outcomes(self.name, label, len(self.cases), UNTRIED)

    def _prepared(self, stage: _Stage, seed: Seed) -> Attack[Any, Any, Any]:
        if not stage.attack.learns:
            return stage.attack
        source = self.learn_from if self.learn_from is not None else self.cases[:_LEARN]
        return stage.attack.prepare(self.target, self.target.place(source), stage.threat, seed=seed)

    def _block(
        self, stage: _Stage, attack: Attack[Any, Any, Any], seed: Seed, index: int, positions: np.ndarray
    ) -> None:
        start = time.perf_counter()
        meter = self.target.meter
        before = (meter.forwards, meter.input_backwards)
        rows: list[dict[str, Any]] = []
        payload, claimed = None, 0
        spent = (0, 0)
        if len(positions):
            cases = self.target.place(self.cases[positions])
            attempts, errors = self._attempts(attack, cases, stage.threat, seed)
            spent = (meter.forwards - before[0], meter.input_backwards - before[1])
            claimed = int(attempts.found.sum())
            outcomes, notes = self._graded(stage, cases, attempts, errors)
            rows = [
                {"case": int(p), "id": i, "outcome": int(code), "by": by, "note": note}
                for p, i, code, by, note in zip(
                    positions, cases.ids, codes(outcomes), attempts.by or [None] * len(cases), notes, strict=True
                )
            ]
            if stage.bout.role == "attack":
                broke = [k for k, outcome in enumerate(outcomes) if outcome is Outcome.BROKEN]
                payload = self.store.keep(
                    [int(positions[k]) for k in broke], take(attempts.inputs, np.array(broke, int))
                )
                self._show(stage, cases, attempts, broke)
        seconds = time.perf_counter() - start
        self.store.write(
            self.name, stage.bout.label, index, rows,
            {"forwards": spent[0], "input_backwards": spent[1], "claimed": claimed, "seconds": seconds, "payload": payload},
        )  # fmt: skip

    def _attempts(
        self, attack: Attack[Any, Any, Any], cases: Cases, threat: ThreatModel, seed: Seed
    ) -> tuple[Attempts, dict[int, str]]:
        """The attack's attempts; where it raises, case by case, so that one bad case costs only itself."""
        try:
            return attack.run(self.target, cases, threat, budget=self.budget, seed=seed), {}
        except SparringError:
            raise
        except Exception as error:
            if len(cases) == 1:
                return Attempts(cases.inputs, torch.zeros(1, dtype=torch.bool)), {0: _reason(error)}
        parts, errors = [], {}
        for k in range(len(cases)):
            part, failed = self._attempts(attack, cases[k : k + 1], threat, seed)
            parts.append(part)
            errors.update(dict.fromkeys([k], failed[0]) if failed else {})
        inputs = [part.inputs for part in parts]
        joined = torch.cat(inputs) if isinstance(inputs[0], torch.Tensor) else [one for part in inputs for one in part]
        by = [one for part in parts for one in (part.by or [attack.name])]
        detail = [part.detail for part in parts]
        merged = None if detail[0] is None else torch.cat([part for part in detail if part is not None])
        return Attempts(joined, torch.cat([part.found.cpu() for part in parts]), by, merged), errors

    def _graded(
        self, stage: _Stage, cases: Cases, attempts: Attempts, errors: dict[int, str]
    ) -> tuple[list[Outcome], list[str | None]]:
        outputs = self.target(attempts.inputs)
        outcomes = list(self.judge.grade(cases, attempts.inputs, outputs))
        notes: list[str | None] = [None] * len(cases)
        if stage.bout.role != "clean":
            detail = () if attempts.detail is None else (attempts.detail,)
            admitted = stage.threat.admits(cases, attempts.inputs, *detail)
            outcomes = [
                outcome if allowed else Outcome.INADMISSIBLE
                for outcome, allowed in zip(outcomes, list(admitted), strict=True)
            ]
        for k, reason in errors.items():
            outcomes[k], notes[k] = Outcome.ERROR, reason
        return outcomes, notes

    def _show(self, stage: _Stage, cases: Cases, attempts: Attempts, broke: list[int]) -> None:
        """Remembers the first broken cases as panels for a person to look at."""
        name = f"exhibits {stage.bout.label}"
        if not broke or self.store.fact(self.name, name) is not None:
            return
        chosen = np.array(broke[:_EXHIBITS])
        panels = self.target.exhibit(cases[chosen], take(attempts.inputs, chosen))
        shown = [
            {"bout": stage.bout.label, "case": i, "panels": [asdict(panel) for panel in one]}
            for i, one in zip(take(list(cases.ids), chosen), panels, strict=True)
        ]
        self.store.remember(self.name, name, shown)

    def _masking(self) -> list[Flag]:
        """The suite's checks for gradient masking, on the first cases that hold untouched; asked once per run."""
        if self.suite is None or not self.suite.escalation:
            return []
        found = self.store.fact(self.name, "masking")
        if found is None:
            from sparring.attack.masking import masking_flags

            sample = np.flatnonzero(self._outcomes("clean") == _HELD)[:_CHECKED]
            cases = self.target.place(self.cases[sample])
            before = np.isin(sample, np.flatnonzero(self._broken_by_suite()))
            seed = self.seed.child("masking")
            flags = masking_flags(self.target, cases, self.threat, seed, torch.from_numpy(before))
            found = [asdict(flag) for flag in flags]
            self.store.remember(self.name, "masking", found)
        return [Flag(**flag) for flag in found]

    def _follows(self, stage: _Stage) -> bool:
        """Whether a stage was given only what a stage before it left, so that its own rate speaks of those alone."""
        same = [other for other in self.stages if other.cascade and other.bout.family == stage.bout.family]
        return stage.cascade and same[0] is not stage

    def _broken_by_suite(self) -> np.ndarray:
        """Bool, shape (case,): what the suite's stages so far have broken."""
        broken = np.zeros(len(self.cases), bool)
        for stage in self.stages:
            if stage.cascade:
                broken |= self._outcomes(stage.bout.label) == _BROKEN
        return broken

    def _card(self, masking: list[Flag]) -> Scorecard:
        clean = self._outcomes("clean")
        for stage in self.stages:
            bout = stage.bout
            bout.outcomes = self._outcomes(bout.label)
            size = stage.limit or len(self.cases)
            if bout.role != "clean" and not self._follows(stage):
                already = clean == _BROKEN
                already[size:] = False
                bout.outcomes[already] = codes([Outcome.ALREADY_BROKEN])[0]
                failed = (clean == codes([Outcome.ERROR])[0]) & (np.arange(len(clean)) < size)
                bout.outcomes[failed] = codes([Outcome.ERROR])[0]
            spent = self.store.spent(self.name, bout.label)
            bout.forwards, bout.input_backwards = spent["forwards"], spent["input_backwards"]
            bout.claimed, bout.seconds = spent["claimed"], spent["seconds"]
        notes = []
        if not self.target.lineage:
            notes.append("This target brings no history of its training, so every family counts as held out.")
        if self.suite is not None:
            notes.append(_told(self.suite, masking))
        card = Scorecard(
            target=self.target.name,
            cases=self.cases.name,
            threat=self.threat.describe(),
            judge=self.judge.name,
            seed=self.seed.value,
            ids=list(self.cases.ids),
            bouts=[stage.bout for stage in self.stages],
            lineage=self.target.lineage,
            notes=notes,
            exhibits=list(self._exhibits()),
            asked=self.asked,
            versions=_versions(),
            run=self.name,
            attempts=self._broken if self.store.workspace is not None else None,
        )
        card.flags = masking + card_flags(card, replays=self.target.replays)
        return card

    def _exhibits(self) -> Iterator[Exhibit]:
        for stage in self.stages:
            for shown in self.store.fact(self.name, f"exhibits {stage.bout.label}") or []:
                yield exhibit_from(shown)

    def _broken(self) -> Cases:
        """The stored attempts of all attacks, as cases with the same goals."""
        positions: list[int] = []
        parts: list[Any] = []
        for stage in self.stages:
            for where, inputs in self.store.kept(self.name, stage.bout.label):
                positions += where
                parts.append(inputs)
        index = np.array(positions, int)
        ids = take(list(self.cases.ids), index)
        joined = (
            torch.cat(parts) if parts and isinstance(parts[0], torch.Tensor) else [x for part in parts for x in part]
        )
        return Cases(ids, joined, _take_goals(self.cases.goals, index), f"{self.cases.name}, broken")


def refuse_trained_on(held_out: Sequence[str], seen: set[str]) -> None:
    """Raises NotHeldOut if a family is both held out and trained on."""
    both = sorted(set(held_out) & seen)
    if both:
        raise NotHeldOut(
            f"{', '.join(both)} is held out, but this target trained on it. Take it out of held_out, or train on other families."
        )


def _take_goals(goals: Any, index: np.ndarray) -> Any:
    return goals[index] if isinstance(goals, Goals) else take(goals, index)


def _told(suite: Suite, masking: list[Flag]) -> str:
    ran = ", ".join(attack.label for attack in suite.stages)
    if not suite.escalation:
        return f"suite {suite.name}: {ran}."
    rest = ", ".join(attack.label for attack in suite.escalation)
    if masking:
        names = ", ".join(flag.name for flag in masking)
        return f"suite {suite.name}: {ran}; a masking check fired ({names}), so it escalated to {rest} as well."
    return f"suite {suite.name}: {ran}; no masking check fired, so it did not escalate to {rest}."


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().contiguous().numpy().tobytes()
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _versions() -> dict[str, str]:
    names = ("sparring", "torch", "numpy", "scipy")
    found = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found, "machine": platform.machine()}
