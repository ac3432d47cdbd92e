"""The referee: runs one bout, block by block: attempts, answers, admission, grades, and all of it on record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from sparring.core.attack import Attack, Attempts, Author
from sparring.core.budget import Budget
from sparring.core.cases import Cases, take
from sparring.core.errors import SparringError
from sparring.core.judge import Judge, Outcome
from sparring.core.panel import Panel
from sparring.core.progress import Progress
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.measure.answers import answered, graded, joined, reason
from sparring.measure.authors import prepared, written
from sparring.measure.outcomes import CODE, UNTRIED, codes
from sparring.measure.plan import Plan, Stage
from sparring.measure.store import Store
from sparring.measure.text import as_text
from sparring.measure.transcript import lines_of

BROKEN, HELD = CODE[Outcome.BROKEN], CODE[Outcome.HELD]
_AHEAD = "asking ahead"  # as progress calls it
_EXHIBITS = 4  # broken cases shown per attack
_LEARN = 1000  # cases that an attack may learn from, where the caller names none
_SURVEYED = 10_000  # attempts that are looked at together


@dataclass
class Referee:
    """Runs the bouts of one campaign; what is on record already is not run again."""

    target: Target
    cases: Cases
    judge: Judge
    opinions: Mapping[str, Judge]
    learn_from: Cases | None
    budget: Budget
    seed: Seed
    batch: int
    store: Store
    run: str
    plan: Plan
    progress: Progress

    def bout(self, stage: Stage) -> None:
        label = stage.bout.label
        size = len(self.cases) if stage.limit is None else min(stage.limit, len(self.cases))
        done = self.store.done(self.run, label)
        blocks = [(i, start) for i, start in enumerate(range(0, size, self.batch)) if i not in done]
        if blocks:
            tried = self._tried(stage, size)
            seed = self.seed.child(stage.attack.name)
            attack = self._prepared(stage, seed)
            self._begin(label, size, blocks)
            for index, start in blocks:
                stop = min(start + self.batch, size)
                self._block(stage, attack, seed, index, np.flatnonzero(tried[start:stop]) + start)
                self.progress.advance(label, stop - start)
        else:
            self._begin(label, size, blocks)
        self._survey(stage)

    def ask_ahead(self, stages: Sequence[Stage]) -> None:
        """Asks a target that remembers its replies all that these bouts will ask whatever it says, in full batches.

        Nothing is graded here: what fails, and what is wrong with the target, its own bout finds.
        """
        waiting = [one for one in stages if one.attack.foreseen and not self.store.done(self.run, one.bout.label)]
        if getattr(self.target, "cache", None) is None or len(waiting) < 2:
            return
        wanted: list[Any] = []
        for stage in waiting:
            for block in self.cases.blocks(self.batch):
                cases = self.target.place(block)
                attempts, errors = self._attempts(stage.attack, cases, stage.threat, self.seed.child(stage.attack.name))
                masks = [mask for mask in (attempts.refused, attempts.unsuited) if mask is not None]
                wanted += [
                    attempts.inputs[k] for k in range(len(cases)) if k not in errors and not any(m[k] for m in masks)
                ]
        self.progress.start(_AHEAD, len(wanted))
        for start in range(0, len(wanted), self.batch):
            part = wanted[start : start + self.batch]
            try:
                self.target.respond(part)
            except Exception:
                return
            self.progress.advance(_AHEAD, len(part))

    def outcomes(self, label: str) -> np.ndarray:
        """Int8, shape (case,): what is on record for a bout."""
        return self.store.outcomes(self.run, label, len(self.cases), UNTRIED)

    def _begin(self, label: str, size: int, blocks: list[tuple[int, int]]) -> None:
        self.progress.start(label, size)
        self.progress.advance(label, size - sum(min(self.batch, size - start) for _, start in blocks))

    def _tried(self, stage: Stage, size: int) -> np.ndarray:
        """Bool, shape (case,): cases that hold untouched (where attempts change inputs) and under the stages before."""
        if stage.bout.role == "clean" or not stage.threat.perturbs:
            return np.ones(size, bool)
        tried = self.outcomes("clean")[:size] == HELD
        for other in self.plan.before(stage):
            tried &= self.outcomes(other.bout.label)[:size] != BROKEN
        return tried

    def _prepared(self, stage: Stage, seed: Seed) -> Attack[Any, Any, Any]:
        if isinstance(stage.attack, Author):
            return written(
                stage.attack, self.target, self.cases, stage.threat, seed,
                store=self.store, run=self.run, label=stage.bout.label, progress=self.progress,
            )  # fmt: skip
        if not stage.attack.learns:
            return stage.attack
        source = self.learn_from if self.learn_from is not None else self.cases[:_LEARN]
        return prepared(
            stage.attack,
            self.target,
            source,
            stage.threat,
            seed,
            store=self.store,
            run=self.run,
            label=stage.bout.label,
            measured=set(self.cases.ids),
        )

    def _block(
        self, stage: Stage, attack: Attack[Any, Any, Any], seed: Seed, index: int, positions: np.ndarray
    ) -> None:
        start = time.perf_counter()
        meter = self.target.meter
        before = (meter.forwards, meter.input_backwards)
        rows: list[dict[str, Any]] = []
        opinions: list[dict[str, Any]] = []
        payload, claimed = None, 0
        spent = (0, 0)
        if len(positions):
            cases = self.target.place(self.cases[positions])
            attempts, errors = self._attempts(attack, cases, stage.threat, seed)
            spent = (meter.forwards - before[0], meter.input_backwards - before[1])
            if attempts.unsuited is not None:
                suited = np.flatnonzero(~attempts.unsuited.cpu().numpy())
                errors = {k: errors[int(p)] for k, p in enumerate(suited) if int(p) in errors}
                positions, cases, attempts = positions[suited], cases[suited], attempts[suited]
            claimed = int(attempts.found.sum())
            refused = np.zeros(len(cases), bool) if attempts.refused is None else attempts.refused.cpu().numpy()
            asked = np.array([k for k in range(len(cases)) if k not in errors and not refused[k]], int)
            outputs, asked, failed = answered(self.target, attempts.inputs, asked)
            errors |= failed
            admitted = self._admitted(stage, cases, attempts)

            def settled(judge: Judge) -> tuple[list[Outcome], dict[int, str]]:
                found, notes = graded(judge, cases, attempts.inputs, outputs, asked, errors)
                for k in range(len(cases)):
                    if k not in notes and not refused[k] and not admitted[k]:
                        found[k] = Outcome.INADMISSIBLE
                    if refused[k]:
                        found[k] = Outcome.REFUSED_TO_ATTACK
                return found, notes

            outcomes, told = settled(self.judge)
            texts = not isinstance(attempts.inputs, torch.Tensor)
            replies: list[Any] = [None] * len(cases)
            for k, position in enumerate(asked if texts else ()):
                replies[int(position)] = outputs[k]
            notes = [told.get(k) or _why(outcomes[k], replies[k]) for k in range(len(cases))]
            rows = [
                {"case": int(p), "id": i, "outcome": int(code), "by": by, "note": note}
                for p, i, code, by, note in zip(
                    positions, cases.ids, codes(outcomes), attempts.by or [None] * len(cases), notes, strict=True
                )
            ]
            opinions = [
                {"judge": name, "case": int(p), "outcome": int(code)}
                for name, judge in self.opinions.items()
                for p, code in zip(positions, codes(settled(judge)[0]), strict=True)
            ]
            broke = [k for k, outcome in enumerate(outcomes) if outcome is Outcome.BROKEN]
            if texts and stage.bout.role != "curve":
                degrees = self.judge.degrees(cases, attempts.inputs, replies)
                payload = self.store.keep_lines(
                    lines_of(positions.tolist(), cases.ids, attempts.inputs, replies, outcomes, notes, degrees)
                )
            elif stage.bout.role == "attack":
                payload = self.store.keep(
                    [int(positions[k]) for k in broke], take(attempts.inputs, np.array(broke, int))
                )
            if stage.bout.role == "attack":
                self._show(stage, cases, attempts, broke, replies)
        self.store.write(
            self.run, stage.bout.label, index, rows,
            {"forwards": spent[0], "input_backwards": spent[1], "claimed": claimed,
             "seconds": time.perf_counter() - start, "payload": payload},
            opinions,
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
                return Attempts(cases.inputs, torch.zeros(1, dtype=torch.bool)), {0: reason(error)}
        parts, errors = [], {}
        for k in range(len(cases)):
            part, failed = self._attempts(attack, cases[k : k + 1], threat, seed)
            parts.append(part)
            errors.update(dict.fromkeys([k], failed[0]) if failed else {})
        by = [one for part in parts for one in (part.by or [attack.name])]
        detail = [part.detail for part in parts]
        merged = None if detail[0] is None else torch.cat([part for part in detail if part is not None])
        nobody = torch.zeros(1, dtype=torch.bool)
        refused, unsuited = (
            torch.cat([nobody if mask is None else mask.cpu() for mask in masks])
            for masks in ([part.refused for part in parts], [part.unsuited for part in parts])
        )
        found = torch.cat([part.found.cpu() for part in parts])
        return Attempts(joined([part.inputs for part in parts]), found, by, merged, refused, unsuited), errors

    @staticmethod
    def _admitted(stage: Stage, cases: Cases, attempts: Attempts) -> list[bool]:
        if stage.bout.role == "clean":
            return [True] * len(cases)
        detail = () if attempts.detail is None else (attempts.detail,)
        return [bool(one) for one in stage.threat.admits(cases, attempts.inputs, *detail)]

    def _show(self, stage: Stage, cases: Cases, attempts: Attempts, broke: list[int], replies: list[Any]) -> None:
        """Remembers the first broken cases as panels for a person to look at."""
        name = f"exhibits {stage.bout.label}"
        if not broke or self.store.fact(self.run, name) is not None:
            return
        chosen = np.array(broke[:_EXHIBITS])
        if stage.threat.perturbs:
            panels = self.target.exhibit(cases[chosen], take(attempts.inputs, chosen))
        else:  # there is nothing to compare with, and what came back is known: the target is not asked again
            panels = [
                (Panel("asked", as_text(attempts.inputs[k])), Panel("answered", as_text(replies[k]))) for k in chosen
            ]
        shown = [
            {"bout": stage.bout.label, "case": i, "panels": [asdict(panel) for panel in one]}
            for i, one in zip(take(list(cases.ids), chosen), panels, strict=True)
        ]
        self.store.remember(self.run, name, shown)

    def _survey(self, stage: Stage) -> None:
        """Describes the attempts of a bout together, once, where the threat has figures for them."""
        name = f"survey {stage.bout.label}"
        if stage.bout.role != "attack" or type(stage.threat).survey is ThreatModel.survey:
            return
        if self.store.fact(self.run, name) is not None:
            return
        attempts: list[Any] = []
        for line in self.store.said(self.run, stage.bout.label):
            if line["outcome"] not in (Outcome.REFUSED_TO_ATTACK, Outcome.INADMISSIBLE):
                attempts.append(line["input"])
            if len(attempts) == _SURVEYED:
                break
        self.store.remember(self.run, name, stage.threat.survey(attempts) if attempts else {})


def _why(outcome: Outcome, reply: Any) -> str | None:
    """The reason for an error or a ban that came as an answer of its own kind."""
    told = outcome in (Outcome.ERROR, Outcome.BANNED) and reply is not None and not isinstance(reply, str)
    return str(reply)[:500] if told else None
