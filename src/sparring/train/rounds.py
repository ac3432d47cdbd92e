"""Rounds: train, attack, keep what broke it in a frozen case book, train again, and show the series."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.core.attack import Attack, Author
from sparring.core.book import entry, write_book
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.judge import GoalReached, Judge, Outcome
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Target
from sparring.core.threat import ThreatModel

_BLOCK = 256


@dataclass(frozen=True)
class Round:
    """What one round showed; rates are shares of the cases that were right when untouched.

    Args:
        broken: by attack, on cases that no round learns from.
        replayed: of the case book as it stood before this round, broken again by the new target; None while empty.
        book: cases in the book after this round.
    """

    broken: dict[str, float | None]
    replayed: float | None
    book: int


@dataclass(frozen=True)
class Rounds(Defence):
    """Hardens again and again, each time from the original target, on the data and on everything that ever broke it.

    Where the adversary writes the whole input (`threat.perturbs` is False), the data are only places for attempts: each
    round attacks first, and the target learns from the case book alone. Attackers that learn are trained anew against
    the target of each round.

    Paper: none; the loop of red teaming, as old as testing.
    Differs: nothing to differ from. What enters the case book is replayed, admitted and judged first, and never
    changes after; its cases carry the id of the case that they come from, the round and the attack. The book lies in
    the workspace (`case-book.jsonl`, or `.safetensors` for tensors), and `sparring replay` asks it of any target.
    Cost: `rounds` trainings on a growing set, and an attack on `probes` cases of the data and on the held-back ones.

    Args:
        training: the defence of each round.
        attacks: what looks for breaks.
        threat: what these may do.
        judge: decides what broke.
        rounds: how many.
        probes: cases of the data attacked for the book in each round, chosen by id, others in every round.
        share: of the data held back by id, which measures each round and is never learned from.
    """

    training: Defence
    attacks: Sequence[Attack[Any, Any, Any]]
    threat: ThreatModel
    judge: Judge = field(default_factory=GoalReached)
    rounds: int = 3
    probes: int = 500
    share: float = 0.1

    searches = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", tuple(self.attacks))
        if self.rounds < 1 or self.probes < 1 or not 0 < self.share < 1:
            raise InvalidSpec(
                "Rounds needs 1 round and 1 probe or more and a share between 0 and 1; "
                f"got {self.rounds}, {self.probes} and {self.share}."
            )
        if not self.attacks:
            raise InvalidSpec("Rounds needs attacks to look for breaks with; got none.")

    def refuse_misfit(self, target: Target) -> None:
        self.training.refuse_misfit(target)

    def refuse_data(self, data: Cases) -> None:
        learn, held = data.split(self.share, "rounds")
        if not len(learn) or not len(held):
            raise InvalidCases(
                f"Rounds holds a share of {self.share} of its {len(data)} cases back, which splits them into {len(learn)} "
                f"and {len(held)}. Name more cases, or another share, such as share: 0.5."
            )

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys([*self.training.families, *(part.family for attack in self.attacks for part in attack.parts)])
        )

    @property
    def effort(self) -> int:
        return self.rounds * self.training.effort

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | str | None = None,
        progress: Progress = Silent(),
    ) -> Target:
        """The target of the last round; its lineage tells the series.

        Raises:
            InvalidCases: if the share holds no case back, or leaves none.
        """
        seed, folder = Seed.of(seed), Path(workspace) if workspace is not None else None
        for attack in self.attacks:
            attack.check(target, self.threat)
        self.refuse_data(data)
        learn, held = data.split(self.share, "rounds")
        book: list[Cases] = []
        series: list[Round] = []
        steps: list[Hardening] = []
        current = target
        for number in range(self.rounds):
            place = folder / f"round-{number + 1}" if folder else None
            if not self.threat.perturbs:
                self._search(current, learn, seed, number, book, place)
                if not any(map(len, book)):
                    raise InvalidCases(
                        f"nothing broke the target in round {number + 1}, so there is nothing to learn from. Raise "
                        f"probes (now {self.probes}), or name stronger attacks."
                    )
            lessons = joined([learn, *book]) if self.threat.perturbs else joined(book)
            current = self.training.harden(
                target, lessons, seed=seed.child("train", number), workspace=place, progress=progress
            )
            steps.append(current.lineage[-1])
            replayed = self._replayed(current, book)
            measured = place / "measure" if place else None
            broken = {name: rate for name, rate, _ in self._attacked(current, held, seed.child("measure"), measured)}
            if self.threat.perturbs:
                self._search(current, learn, seed, number, book, place)
            series.append(Round(broken, replayed, sum(map(len, book))))
            if folder is not None:
                write_book(folder, book)
                _tell(folder / "series.json", series)
        notes = tuple(f"round {number + 1}: {_sentence(each)}" for number, each in enumerate(series))
        seconds, forwards = sum(step.seconds for step in steps), sum(step.forwards for step in steps)
        last = steps[-1]
        told = (*last.notes, *notes)
        hardening = Hardening(self.name, self.families, seconds, forwards, told, last.history, last.panels)
        current.lineage = (*target.lineage, hardening)
        return current

    def _search(
        self, target: Target, learn: Cases, seed: Seed, number: int, book: list[Cases], place: Path | None
    ) -> None:
        """Adds what breaks the target on this round's probes to the book."""
        probes = learn[np.sort(seed.child("probes", number).numpy().permutation(len(learn))[: self.probes])]
        own = seed.child("probe", number)
        for name, _, breaks in self._attacked(target, probes, own, place / "search" if place else None):
            if len(breaks):
                book.append(dataclasses.replace(breaks, ids=[entry(i, number + 1, name) for i in breaks.ids]))

    def _attacked(
        self, target: Target, cases: Cases, seed: Seed, place: Path | None
    ) -> list[tuple[str, float | None, Cases]]:
        """By attack: its name, the share of right cases that it broke, and the attempts that did."""
        found = []
        for number, attack in enumerate(self.attacks):
            name = (
                attack.name
                if attack.name not in (other.name for other in self.attacks[:number])
                else f"{attack.name} #{number + 1}"
            )
            own = seed.child(name)
            if isinstance(attack, Author):
                spot = place / str(number) if place else None
                ready = attack.write(target, target.place(cases), self.threat, seed=own, workspace=spot)
            else:
                ready = attack.prepare(target, target.place(cases), self.threat, seed=own)
            breaks, right = [], 0
            for block in cases.blocks(_BLOCK):
                placed = target.place(block)
                if self.threat.perturbs:
                    placed = placed[_where(self._graded(target, placed, placed.inputs), Outcome.HELD)]
                if not len(placed):
                    continue
                attempts = ready.run(target, placed, self.threat, seed=own)
                may = np.asarray(torch.as_tensor(self.threat.admits(placed, attempts.inputs)).cpu(), dtype=bool)
                if attempts.refused is not None:
                    may &= ~attempts.refused.cpu().numpy()
                tried = dataclasses.replace(placed, inputs=attempts.inputs)[np.flatnonzero(may)]
                outcomes = self._graded(target, tried, tried.inputs) if len(tried) else []
                # A perturbation that misses its threat leaves the case standing; words never written tell nothing.
                right += len(placed) if self.threat.perturbs else _decided(outcomes)
                if len(tried):
                    breaks.append(tried[_where(outcomes, Outcome.BROKEN)])
            together = joined(breaks) if breaks else cases[:0]
            found.append((name, len(together) / right if right else None, together))
        return found

    def _replayed(self, target: Target, book: list[Cases]) -> float | None:
        if not book:
            return None
        outcomes = [
            outcome
            for page in book
            for block in page.blocks(_BLOCK)
            for outcome in self._graded(target, block, block.inputs)
        ]
        decided = [outcome for outcome in outcomes if outcome in (Outcome.BROKEN, Outcome.HELD)]
        return decided.count(Outcome.BROKEN) / len(decided) if decided else None

    def _graded(self, target: Target, cases: Cases, inputs: Any) -> Sequence[Outcome]:
        return self.judge.grade(cases, inputs, target(inputs))


def joined(parts: Sequence[Cases]) -> Cases:
    """One set of cases after another, whatever their inputs and goals are made of."""
    if len(parts) == 1:
        return parts[0]
    ids = [case_id for part in parts for case_id in part.ids]
    groups = None
    if all(part.groups is not None for part in parts):
        groups = [group for part in parts for group in part.groups or ()]
    return Cases(ids, _joined([p.inputs for p in parts]), _joined([p.goals for p in parts]), parts[0].name, groups)


def _joined(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, torch.Tensor):
        return torch.cat([value.to(first.device) for value in values])
    if isinstance(first, np.ndarray):
        return np.concatenate([np.asarray(value) for value in values])
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        names = [each.name for each in dataclasses.fields(first) if each.init]
        return type(first)(**{name: _joined([getattr(value, name) for value in values]) for name in names})
    return [item for value in values for item in value]


def _where(outcomes: Sequence[Outcome], wanted: Outcome) -> np.ndarray:
    return np.flatnonzero([outcome is wanted for outcome in outcomes])


def _decided(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome in (Outcome.BROKEN, Outcome.HELD) for outcome in outcomes)


def _sentence(each: Round) -> str:
    rates = ", ".join(f"{name} broke {_percent(rate)}" for name, rate in each.broken.items())
    book = "" if each.replayed is None else f"; {_percent(each.replayed)} of the case book still broke it"
    return f"{rates}{book}; the book holds {each.book}"


def _percent(rate: float | None) -> str:
    return "of none decided" if rate is None else f"{rate:.1%}"


def _tell(path: Path, series: list[Round]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps([dataclasses.asdict(each) for each in series], indent=1))
    partial.replace(path)
