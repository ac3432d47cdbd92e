"""The scorecard: every verdict of one run, and the figures that follow from them."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.flag import Flag
from sparring.core.judge import Outcome
from sparring.core.panel import Panel
from sparring.core.target import Hardening
from sparring.measure.statistics import Rate, mcnemar, paired_difference
from sparring.measure.text import percent, text_table

UNTRIED = -1
CODES: tuple[Outcome, ...] = tuple(Outcome)  # an outcome's position here is its code in `Bout.outcomes`
_LETTERS = "bhaiure"  # one per outcome, in the same order
_CODE = {outcome: code for code, outcome in enumerate(CODES)}
# In the worst case over several attacks the first of these that occurs decides: no evidence never hides behind "held".
_WORST_FIRST = (
    Outcome.ALREADY_BROKEN, Outcome.BROKEN, Outcome.ERROR, Outcome.UNDECIDED, Outcome.INADMISSIBLE,
    Outcome.REFUSED_TO_ATTACK, Outcome.HELD,
)  # fmt: skip


@dataclass
class Bout:
    """One attack under one threat over all cases.

    Args:
        label: unique within the run.
        attack: the attack's name; `spec` is all of its settings.
        family: what is held out, or not.
        threat: in words.
        held_out: whether the target never trained on this family.
        role: "clean", "attack", "curve" (a point of the robustness curve) or "replay".
        radius: of the threat, where it has one.
        outcomes: int8, shape (case,): positions in CODES, or UNTRIED.
        forwards, input_backwards: spent by the attack, over all cases.
        seconds: wall time, which no verdict depends on.
        claimed: attempts that the attack called successful.
    """

    label: str
    attack: str
    family: str
    threat: str
    held_out: bool
    role: str = "attack"
    radius: float | None = None
    spec: Any = None
    outcomes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))
    forwards: int = 0
    input_backwards: int = 0
    seconds: float = 0.0
    claimed: int = 0

    @property
    def rate(self) -> Rate:
        return rate_of(self.outcomes)


@dataclass(frozen=True)
class Exhibit:
    """One broken case to look at."""

    bout: str
    case: str
    panels: tuple[Panel, ...]


@dataclass
class Scorecard:
    """All verdicts on one target, in the order of the cases.

    `worst()` is the worst case over everything, `worst(held_out=True)` over the families that the target's training
    never saw; `clean` is the untouched input through the same loop.
    """

    target: str
    cases: str
    threat: str
    judge: str
    seed: int
    ids: list[str]
    bouts: list[Bout]
    lineage: tuple[Hardening, ...] = ()
    flags: list[Flag] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    run: str = ""
    attempts: Callable[[], Cases] | None = field(default=None, repr=False, compare=False)

    @property
    def clean(self) -> Rate:
        """The untouched cases: `clean.held` is clean accuracy."""
        return rate_of(self._bout("clean").outcomes)

    def rate(self, label: str) -> Rate:
        """One attack's figure, by its label."""
        return self._bout(label).rate

    def attacks(self, held_out: bool = False, threat: str | None = None) -> list[Bout]:
        """The bouts that count towards the worst case."""
        return [
            bout
            for bout in self.bouts
            if bout.role in ("attack", "replay") and (bout.held_out or not held_out) and threat in (None, bout.threat)
        ]

    def worst(self, *, held_out: bool = False, threat: str | None = None) -> Rate:
        """A case counts as broken if any of these attacks broke it; nothing decided if there are none."""
        return rate_of(self.verdicts(held_out=held_out, threat=threat))

    def verdicts(self, *, held_out: bool = False, threat: str | None = None) -> np.ndarray:
        """Int8, shape (case,): the worst outcome of each case over these attacks, or UNTRIED."""
        chosen = self.attacks(held_out, threat)
        verdict = np.full(len(self.ids), UNTRIED, np.int8)
        if not chosen:
            return verdict
        for outcome in reversed(_WORST_FIRST):
            for bout in chosen:
                verdict[bout.outcomes == _CODE[outcome]] = _CODE[outcome]
        return verdict

    @property
    def held_out_families(self) -> list[str]:
        return sorted({bout.family for bout in self.attacks(held_out=True)})

    @property
    def seen_families(self) -> list[str]:
        return sorted({family for step in self.lineage for family in step.families})

    def broken(self) -> Cases:
        """What broke the target: the attempts, under their cases' ids, with their cases' goals.

        Raises:
            InvalidSpec: if the run kept no attempts.
        """
        if self.attempts is None:
            raise InvalidSpec("this scorecard kept no attempts; pass workspace= to measure so that they are stored.")
        return self.attempts()

    def compare(self, other: "Scorecard") -> "Comparison":
        """This scorecard as before, the other as after, paired by case.

        Raises:
            InvalidSpec: if judges differ or no case is common.
        """
        return Comparison(self, other)

    def __str__(self) -> str:
        rows = [
            [bout.label, bout.threat, "held out" if bout.held_out else "seen", *percent(bout.rate)]
            for bout in self.bouts
            if bout.role != "curve"
        ]
        rows[0][2] = ""
        rows.append(["worst case, everything", "", "", *percent(self.worst())])
        rows.append(["worst case, held out", "", "held out", *percent(self.worst(held_out=True))])
        table = text_table(["attack", "threat", "family", "held %", "95 % interval", "n"], rows)
        flags = "".join(f"\n! {flag.text}" for flag in self.flags)
        return f"{self.target} on {self.cases}, {len(self.ids)} cases\n{table}{flags}"

    def to_json(self) -> str:
        """Everything but the attempts, as JSON that `from_json` reads back."""
        data = {name: getattr(self, name) for name in _PLAIN}
        data["lineage"] = [asdict(step) for step in self.lineage]
        data["flags"] = [asdict(flag) for flag in self.flags]
        data["exhibits"] = [asdict(exhibit) for exhibit in self.exhibits]
        data["bouts"] = [{**asdict(bout), "outcomes": _letters(bout.outcomes)} for bout in self.bouts]
        return json.dumps({"format": 1, **data}, indent=1)

    @staticmethod
    def from_json(text: str) -> "Scorecard":
        """Reads what `to_json` wrote.

        Raises:
            InvalidSpec: if the text is not a scorecard.
        """
        try:
            data: Any = json.loads(text)
            return Scorecard(
                **{name: data[name] for name in _PLAIN},
                bouts=[_bout(bout) for bout in data["bouts"]],
                lineage=tuple(_step(step) for step in data["lineage"]),
                flags=[Flag(**flag) for flag in data["flags"]],
                exhibits=[exhibit_from(one) for one in data["exhibits"]],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidSpec(f"this is not a scorecard that `sparring measure` wrote ({error!r}).") from error

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".part")
        partial.write_text(self.to_json())
        partial.replace(path)

    @staticmethod
    def load(path: Path | str) -> "Scorecard":
        """Reads a scorecard file.

        Raises:
            InvalidSpec: if there is none at `path`.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "scorecard.json"
        if not path.is_file():
            raise InvalidSpec(f"there is no scorecard at {path}. Name a scorecard.json or the folder that holds one.")
        return Scorecard.from_json(path.read_text())

    def _bout(self, label: str) -> Bout:
        for bout in self.bouts:
            if bout.label == label:
                return bout
        raise InvalidSpec(f"no attack here is called {label!r}; there are {', '.join(b.label for b in self.bouts)}.")


@dataclass(frozen=True)
class Change:
    """One figure before and after, over the cases that both decided; what either left undecided stands beside its rate."""

    label: str
    before: Rate
    after: Rate
    pairs: int
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None


@dataclass(frozen=True)
class Comparison:
    """Two scorecards paired by case; prints as a table."""

    before: Scorecard
    after: Scorecard

    def __post_init__(self) -> None:
        if self.before.judge != self.after.judge:
            raise InvalidSpec(
                f"these scorecards were graded by different judges ({self.before.judge} and {self.after.judge}), "
                "so their rates do not compare. Measure both again with one judge."
            )
        if not set(self.before.ids) & set(self.after.ids):
            raise InvalidSpec("these scorecards have no case in common. Measure both targets on the same cases.")

    @property
    def changes(self) -> list[Change]:
        """Clean, each attack that both ran, worst case over everything and over families held out from both."""
        rows = [self._change("clean", self.before._bout("clean").outcomes, self.after._bout("clean").outcomes)]
        shared = {(bout.label, bout.threat) for bout in self.after.attacks()}
        for bout in self.before.attacks():
            if (bout.label, bout.threat) in shared:
                rows.append(self._change(bout.label, bout.outcomes, self.after._bout(bout.label).outcomes))
        rows.append(self._change("worst case, everything", self.before.verdicts(), self.after.verdicts()))
        families = set(self.before.held_out_families) & set(self.after.held_out_families)
        if families:
            rows.append(
                self._change("worst case, held out", *(_over(card, families) for card in (self.before, self.after)))
            )
        return rows

    def _change(self, label: str, before: np.ndarray, after: np.ndarray) -> Change:
        place = {case: position for position, case in enumerate(self.after.ids)}
        pairs = [(i, place[case]) for i, case in enumerate(self.before.ids) if case in place]
        first = before[[i for i, _ in pairs]]
        second = after[[j for _, j in pairs]]
        both = _decided(first) & _decided(second)
        was, now = _is_broken(first[both]), _is_broken(second[both])
        lost, gained, count = int((was & ~now).sum()), int((~was & now).sum()), int(both.sum())
        difference = paired_difference(lost, gained, count) if count else None
        return Change(
            label, replace(rate_of(first), broken=int(was.sum()), decided=count),
            replace(rate_of(second), broken=int(now.sum()), decided=count), count,
            None if difference is None else difference[0],
            None if difference is None else difference[1:],
            mcnemar(lost, gained) if count else None,
        )  # fmt: skip

    def __str__(self) -> str:
        rows = []
        for change in self.changes:
            if change.difference is None or change.interval is None or change.p_value is None:
                rows.append([change.label, *percent(change.before)[:1], *percent(change.after)[:1], "-", "-", "-", "0"])
                continue
            low, high = (-100 * bound for bound in reversed(change.interval))
            p_value = "< 0.0001" if change.p_value < 1e-4 else f"{change.p_value:.4f}"
            rows.append(
                [
                    change.label,
                    percent(change.before)[0],
                    percent(change.after)[0],
                    f"{0.0 - 100 * change.difference:+.1f}",
                    f"{low:+.1f} to {high:+.1f}",
                    p_value,
                    str(change.pairs),
                ]
            )
        heading = ["held %", "before", "after", "change", "95 % interval", "p", "pairs"]
        table = text_table(heading, rows)
        flags = [
            f"! {name}: {flag.text}"
            for name, card in (("before", self.before), ("after", self.after))
            for flag in card.flags
        ]
        cost = [
            f"cost of after: {step.defence}, {step.seconds:.0f} s, {step.forwards} forwards; trained on {', '.join(step.families) or 'no attack'}"
            for step in self.after.lineage[len(self.before.lineage) :]
        ]
        return "\n".join([table, *cost, *flags])


def rate_of(outcomes: np.ndarray) -> Rate:
    """The figures of one array of outcome codes; untried cases count nowhere."""
    count = {outcome: int((outcomes == code).sum()) for outcome, code in _CODE.items()}
    broken = count[Outcome.BROKEN] + count[Outcome.ALREADY_BROKEN]
    return Rate(
        broken=broken,
        decided=broken + count[Outcome.HELD],
        undecided=count[Outcome.UNDECIDED] + count[Outcome.REFUSED_TO_ATTACK],
        inadmissible=count[Outcome.INADMISSIBLE],
        errors=count[Outcome.ERROR],
    )


def codes(outcomes: Iterable[Outcome]) -> np.ndarray:
    """Outcomes as int8 codes."""
    return np.array([_CODE[outcome] for outcome in outcomes], np.int8)


def _over(card: Scorecard, families: set[str]) -> np.ndarray:
    kept = replace(card, bouts=[bout for bout in card.bouts if bout.family in families])
    return kept.verdicts()


def _decided(outcomes: np.ndarray) -> np.ndarray:
    return _is_broken(outcomes) | (outcomes == _CODE[Outcome.HELD])


def _is_broken(outcomes: np.ndarray) -> np.ndarray:
    return (outcomes == _CODE[Outcome.BROKEN]) | (outcomes == _CODE[Outcome.ALREADY_BROKEN])


def exhibit_from(data: dict[str, Any]) -> Exhibit:
    """An exhibit from plain data."""
    return Exhibit(data["bout"], data["case"], tuple(Panel(**panel) for panel in data["panels"]))


def _bout(data: dict[str, Any]) -> Bout:
    bout = Bout(**data)
    bout.outcomes = _outcomes(data["outcomes"])
    return bout


def _step(data: dict[str, Any]) -> Hardening:
    families, notes = tuple(data.pop("families")), tuple(data.pop("notes"))
    return Hardening(**data, families=families, notes=notes)


def _letters(outcomes: np.ndarray) -> str:
    return "".join("." if code == UNTRIED else _LETTERS[code] for code in outcomes)


def _outcomes(letters: Sequence[str]) -> np.ndarray:
    return np.array([UNTRIED if letter == "." else _LETTERS.index(letter) for letter in letters], np.int8)


_PLAIN = ("target", "cases", "threat", "judge", "seed", "ids", "notes", "asked", "versions", "run")
