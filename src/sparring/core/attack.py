"""Attacks: search the allowed set of each case, return the best attempt and say which succeeded."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args, get_origin

import torch
from torch import Tensor

from sparring.core.budget import Budget
from sparring.core.cases import Cases, take
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.goal import Goals
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed, Stream
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel

T = TypeVar("T", bound=Target)
C = TypeVar("C", bound=Cases)
H = TypeVar("H", bound=ThreatModel)


@dataclass
class Attempts:
    """What an attack proposes for a batch of cases.

    Args:
        inputs: one per case, in the shape of the cases' inputs.
        found: bool, shape (batch,): the attack's own claim of success, which nobody has to believe.
        by: which part of a composed attack made each attempt; empty where there is only one.
        detail: what a threat needs beside the inputs to see that an attempt is allowed (a rotation's angle, say),
            shape (batch, ...); None where the inputs are enough.
        refused: bool, shape (batch,): cases for which an attacker that is a model wrote nothing usable; None for none.
        unsuited: bool, shape (batch,): cases that such an attack is not made for, so that they count nowhere; None for
            none.
    """

    inputs: Any
    found: Tensor
    by: list[str] = dataclasses.field(default_factory=list)
    detail: Tensor | None = None
    refused: Tensor | None = None
    unsuited: Tensor | None = None

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: Any) -> "Attempts":
        by = take(self.by, index) if self.by else []
        detail = None if self.detail is None else take(self.detail, index)
        refused = None if self.refused is None else take(self.refused, index)
        unsuited = None if self.unsuited is None else take(self.unsuited, index)
        return Attempts(take(self.inputs, index), take(self.found, index), by, detail, refused, unsuited)


class Attack(ABC, Generic[T, C, H]):
    """Base of all attacks. Subclasses are frozen dataclasses whose fields are their settings.

    The type arguments say what the attack needs: `Attack[Differentiable, Cases, Projectable]`. A misfit is refused
    with a sentence before the first query.
    """

    family: ClassVar[str]
    counted: ClassVar[str] = "steps"  # the field that a budget may lower
    adaptive: ClassVar[bool] = False  # searches anew for what breaks exactly the target that it is given
    needs_target: ClassVar[type] = Target
    needs_threat: ClassVar[type] = ThreatModel

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            arguments = get_args(base)
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Attack) and len(arguments) == 3:
                needs = [a for a in (arguments[0], arguments[2])]
                if all(isinstance(need, type) for need in needs):
                    cls.needs_target, cls.needs_threat = needs

    @property
    def name(self) -> str:
        """The module path below `sparring.attack`, or the full path of a third party's class."""
        module = type(self).__module__.removeprefix("sparring.attack.")
        return module if type(self).__module__.startswith("sparring.") else f"{module}.{type(self).__name__}"

    @property
    def label(self) -> str:
        """A short name for tables."""
        return self.name.rpartition(".")[2].replace("_", "-")

    @property
    def notes(self) -> tuple[str, ...]:
        """Of a prepared attack: sentences for the report about what it learned."""
        return ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """Of a prepared attack: reasons to believe that it failed and not that a target held; each becomes a red flag."""
        return ()

    @property
    def foreseen(self) -> bool:
        """Whether its attempts are the same whatever the target answers, so that they can be asked before their turn."""
        return False

    @property
    def material(self) -> str:
        """A digest of the files that its settings name; empty where they name none."""
        return ""

    @property
    def learns(self) -> bool:
        """Whether `prepare` does anything."""
        return type(self).prepare is not Attack.prepare

    def run(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        budget: Budget = Budget(),
        seed: Seed | int = Seed(0),
    ) -> Attempts:
        """The best attempt on each case; weights, modes, gradients and global generators stay as they were.

        Raises:
            Incompatible: if the target or the threat offers less than the attack needs.
            InvalidSpec: if the budget is too small for one attempt.
        """
        self.check(target, threat)
        attack = self.within(budget, target)
        if len(cases) == 0:
            return Attempts(cases.inputs, torch.zeros(0, dtype=torch.bool))
        return attack.search(target, cases, threat, Seed.of(seed))  # type: ignore[arg-type]

    @abstractmethod
    def search(self, target: T, cases: C, threat: H, seed: Seed) -> Attempts:
        """The search itself, on at least one case, with everything checked."""

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "Attack[Any, Any, Any]":
        """What has to be learned once before any case is attacked; most attacks need nothing.

        Args:
            workspace: folder for checkpoints; an attacker that was killed as it learned goes on from there.
        """
        return self

    @property
    def parts(self) -> tuple["Attack[Any, Any, Any]", ...]:
        """The attacks that this one is made of; itself, if it is not composed."""
        return (self,)

    def cost(self, target: Target) -> int:
        """The most forwards per case that these settings can spend on this target."""
        raise NotImplementedError(f"{self.name} does not say what it costs, so it cannot keep a budget.")

    def check(self, target: Target, threat: ThreatModel) -> None:
        """Raises Incompatible unless target and threat offer what this attack needs."""
        for what, have, need in (("target", target, self.needs_target), ("threat", threat, self.needs_threat)):
            if not isinstance(have, need):
                raise Incompatible(
                    f"{self.name} needs a {need.__name__} {what}; got {type(have).__name__}. See: sparring list attacks"
                )

    def within(self, budget: Budget, target: Target) -> Self:
        """The same attack with as many steps (or queries, or whatever it counts) as the budget allows."""
        if budget.forwards is None or self.cost(target) <= budget.forwards:
            return self
        low, high = 0, getattr(self, self.counted, 0)
        while low < high:
            middle = (low + high + 1) // 2
            fits = dataclasses.replace(self, **{self.counted: middle}).cost(target) <= budget.forwards  # type: ignore[type-var]
            low, high = (middle, high) if fits else (low, middle - 1)
        if low == 0:
            raise InvalidSpec(
                f"{self.name} cannot make one attempt within {budget.forwards} forwards per case; "
                f"it spends {self.cost(target)} as set. Raise the budget or lower its restarts."
            )
        return dataclasses.replace(self, **{self.counted: low})  # type: ignore[type-var]


class InnerAttack(Attack[T, C, H]):
    """An attack that can serve inside a training step: no early stopping, the last iterate counts."""

    @abstractmethod
    def perturb(self, target: Differentiable, inputs: Tensor, goals: Goals, threat: H, stream: Stream) -> Tensor:
        """Training inputs moved inside the threat set, same shape, detached."""


class Author(Attack[T, C, H]):
    """An attacker that is a model: it writes the attempts of all cases together, so that none repeats another."""

    @abstractmethod
    def write(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> "Script":
        """What it learns, and then one attempt for each case.

        Args:
            target: may be asked while the attacker learns.
            workspace: folder for what was learned and written; a killed attacker goes on from there to the same result.
            progress: who to tell.
        """

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "Attack[Any, Any, Any]":
        return self.write(target, cases, threat, seed=seed, workspace=workspace)

    def search(self, target: T, cases: C, threat: H, seed: Seed) -> Attempts:
        return self.write(target, cases, threat, seed=seed).search(target, cases, threat, seed)


@dataclass(frozen=True)
class Script(Attack[Target, Cases, ThreatModel]):
    """Attempts that an author wrote before, one per case id; the cases that it wrote nothing for are refused.

    Args:
        author: whose script this is.
        attempts: case id -> attempt.
        notes: sentences for the report, such as how many candidates were thrown away and why.
    """

    author: Attack[Any, Any, Any]
    attempts: dict[str, Any] = dataclasses.field(repr=False)
    notes: tuple[str, ...] = ()  # type: ignore[override]

    @property
    def family(self) -> str:  # type: ignore[override]
        return self.author.family

    @property
    def name(self) -> str:
        return self.author.name

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        refused = torch.tensor([i not in self.attempts for i in cases.ids])
        inputs = [self.attempts.get(i, own) for i, own in zip(cases.ids, cases.inputs, strict=True)]
        return Attempts(inputs, torch.zeros(len(cases), dtype=torch.bool), refused=refused)
