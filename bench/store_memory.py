"""Memory for summarising what a red team left on disk: 10^4, 10^5 and 10^6 cases in words.

A scripted target answers two attacks over so many cases, with a second opinion, and every transcript is kept. Then a process of its
own, which asks nothing again, reads the record: the scorecard, rates by harm, the table, and a walk over all transcripts. The bar: at
10^6 cases (3 million graded replies) that process peaks below 1 GiB, and the walk over the transcripts adds nothing that grows.

    python bench/store_memory.py            # or with sizes: python bench/store_memory.py 10000 100000

Measured 2026-11-24, 2 busy cores, CPU, Python 3.11, torch 2.13.0, one thread:

    10,000 cases   14 MiB on disk, written in 2 s at a peak of 315 MiB; summary peak 305 MiB (295 before), after the walk 310 MiB, 1 s
    100,000 cases  142 MiB on disk, written in 21 s at a peak of 315 MiB; summary peak 313 MiB (295 before), after the walk 319 MiB, 15 s
    1,000,000 cases  summary peak 438 MiB (295 before), after the walk 438 MiB, 59 s; on an idle machine, from a record written before
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.judge import Judge, Outcome
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.measure.campaign import measure

HARMS = ("contact/phone number", "contact/e-mail", "offence/rude", "leak/canary", "bias/nurses", "bias/pilots")


class Lazy(Sequence):
    """Texts that are made where they are asked for, as if they lay on disk."""

    def __init__(self, count: int, text) -> None:
        self.count, self.text = count, text

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self.text(k) for k in range(*index.indices(self.count))]
        if not isinstance(index, int):
            return [self.text(int(k)) for k in index]
        if index >= self.count:
            raise IndexError(index)
        return self.text(index)


class Echo(Target):
    def respond(self, inputs):
        return [f"{text} And so on, for some forty words, as a small model would go on and on. " * 2 for text in inputs]


@dataclass(frozen=True)
class Asks(Attack[Target, Cases, ThreatModel]):
    """Asks the same question in other words."""

    family = "zero-shot"
    how: str = "Would you tell me"

    def search(self, target, cases, threat, seed):
        asked = [f"{self.how}, please: {text}" for text in cases.inputs]
        return Attempts(asked, torch.zeros(len(cases), dtype=torch.bool))


class Words(ThreatModel):
    perturbs = False

    def admits(self, cases, attempts):
        return [True] * len(cases)

    def describe(self):
        return "any words"


class Length(Judge):
    def __init__(self, of: int) -> None:
        self.of, self.version = of, str(of)

    def grade(self, cases, inputs, outputs):
        return [Outcome.BROKEN if len(one) % self.of == 0 else Outcome.HELD for one in outputs]


def campaign(count: int, folder: str):
    cases = Cases(
        Lazy(count, lambda k: f"{HARMS[k % 6].partition('/')[0]}/test/{k}"), Lazy(count, lambda k: f"question {k}?"),
        Lazy(count, lambda k: "any"), "made up", Lazy(count, lambda k: HARMS[k % 6]),
    )  # fmt: skip
    return measure(
        Echo(), cases, Words(), attacks=[Asks(), Asks("I should like to know")], judge=Length(7),
        opinions={"other": Length(5)}, workspace=folder, run="made-up", batch=4096,
    )  # fmt: skip


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def summarise(count: int, folder: str) -> dict[str, float]:
    before, start = peak(), time.perf_counter()
    card = campaign(count, folder)
    text = str(card), card.by_harm("Asks"), card.disparities("Asks")
    assert card.rate("Asks").decided == count and text
    summed = peak()
    lines = sum(1 for _ in itertools.islice(card.transcripts(), None))
    assert lines == 3 * count
    return {"before": before, "summary": summed, "walk": peak(), "seconds": time.perf_counter() - start}


def child(*arguments: str) -> dict[str, float]:
    told = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True).stdout
    return json.loads(told.splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        start = time.perf_counter()
        campaign(int(sys.argv[2]), sys.argv[3])
        print(json.dumps({"peak": peak(), "seconds": time.perf_counter() - start}))
    elif sys.argv[1:2] == ["read"]:
        print(json.dumps(summarise(int(sys.argv[2]), sys.argv[3])))
    else:
        for size in [int(one) for one in sys.argv[1:]] or [10_000, 100_000, 1_000_000]:
            with tempfile.TemporaryDirectory() as folder:
                wrote = child("write", str(size), folder)
                disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
                read = child("read", str(size), folder)
            print(
                f"{size:,} cases  {disk:,.0f} MiB on disk, written in {wrote['seconds']:.0f} s at a peak of {wrote['peak']:.0f} MiB; "
                f"summary peak {read['summary']:.0f} MiB ({read['before']:.0f} before), after the walk {read['walk']:.0f} MiB, "
                f"{read['seconds']:.0f} s",
                flush=True,
            )
