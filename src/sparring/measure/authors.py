"""Attackers that learn in a campaign: what an author wrote is kept, what others learned lies in a folder of their own."""

import re
import time
from collections.abc import Set
from pathlib import Path
from typing import Any

from sparring.core.attack import Attack, Author, Script
from sparring.core.cases import Cases
from sparring.core.progress import Progress
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.measure.store import Store


def written(
    author: Author[Any, Any, Any],
    target: Target,
    cases: Cases,
    threat: ThreatModel,
    seed: Seed,
    *,
    store: Store,
    run: str,
    label: str,
    progress: Progress,
) -> Script:
    """The author's script, from the record if it is there.

    Attempts pass through JSON either way, so a run that was interrupted asks exactly what one in a single go asks.
    """
    name = f"script {label}"
    found = store.fact(run, name)
    if found is None:
        author.check(target, threat)
        start, meter = time.perf_counter(), target.meter
        before = meter.forwards, meter.input_backwards
        folder = None if store.workspace is None else _folder(store.workspace, run, label)
        script = author.write(target, target.place(cases), threat, seed=seed, workspace=folder, progress=progress)
        payload = store.keep_lines([{"id": i, "input": script.attempts[i]} for i in script.attempts])
        found = {
            "payload": payload,
            "notes": list(script.notes),
            "forwards": meter.forwards - before[0],
            "input_backwards": meter.input_backwards - before[1],
            "seconds": time.perf_counter() - start,
        }
        store.remember(run, name, found)
    lines = store.lines(found["payload"])
    return Script(author, {line["id"]: line["input"] for line in lines}, tuple(found["notes"]))


def prepared(
    attack: Attack[Any, Any, Any],
    target: Target,
    cases: Cases,
    threat: ThreatModel,
    seed: Seed,
    *,
    store: Store,
    run: str,
    label: str,
    measured: Set[str],
) -> Attack[Any, Any, Any]:
    """The attack with what it learned from these cases; one that was killed as it learned goes on from its folder."""
    start, meter = time.perf_counter(), target.meter
    before = meter.forwards, meter.input_backwards
    folder = None if store.workspace is None else _folder(store.workspace, run, label)
    ready = attack.prepare(target, target.place(cases), threat, seed=seed, workspace=folder)
    spent = {
        "forwards": meter.forwards - before[0],
        "input_backwards": meter.input_backwards - before[1],
        "seconds": time.perf_counter() - start,
    }
    own = " of those measured here, which flatters it," if measured & set(cases.ids) else ""
    told = f"learned from {len(cases)} cases{own} in {spent['seconds']:.1f} s and {spent['forwards']} forwards"
    store.remember(run, f"learned {label}", {**spent, "notes": [told, *ready.notes], "doubts": list(ready.doubts)})
    return ready


def spent_learning(store: Store, run: str, label: str) -> dict[str, Any]:
    """What an attacker spent before its first attempt (since it was last started), and its notes."""
    found = store.fact(run, f"script {label}") or store.fact(run, f"learned {label}") or {}
    return {"forwards": 0, "input_backwards": 0, "seconds": 0.0, "notes": [], "doubts": [], **found}


def _folder(workspace: Path, run: str, label: str) -> Path:
    parts = [re.sub(r"[^\w.-]+", "-", part).strip("-.") or "author" for part in (run, label)]
    folder = workspace / "learned" / parts[0] / parts[1]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
