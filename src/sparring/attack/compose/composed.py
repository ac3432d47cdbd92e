"""What attacks made of attacks share: their parts, and the worst attempt that a replay confirms."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel


class OfMembers:
    """An attribute that follows from the members; on the class, from those that it has by default."""

    def __init__(self, rule: Callable[[Any], Any]) -> None:
        self.rule = rule

    def __get__(self, attack: Any, kind: type) -> Any:
        if attack is None and inspect.isabstract(kind):
            return self
        return self.rule(kind() if attack is None else attack)


class Composed(Attack):  # type: ignore[type-arg]  # it needs what its members need, so it names nothing itself
    """Base of attacks made of attacks: family, needs and parts are those of the members."""

    @property
    @abstractmethod
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        """The attacks directly inside."""

    @abstractmethod
    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        """The same composition of other attacks."""

    family = OfMembers(lambda self: " + ".join(dict.fromkeys(part.family for part in self.parts)))  # type: ignore[assignment]
    needs_target = OfMembers(lambda self: _narrowest(member.needs_target for member in self.members))  # type: ignore[assignment]
    needs_threat = OfMembers(lambda self: _narrowest(member.needs_threat for member in self.members))  # type: ignore[assignment]

    @property
    def parts(self) -> tuple[Attack[Any, Any, Any], ...]:
        return tuple(part for member in self.members for part in member.parts)

    @property
    def label(self) -> str:
        return f"{super().label}({', '.join(member.label for member in self.members)})"

    @property
    def learns(self) -> bool:
        return any(member.learns for member in self.members)

    @property
    def doubts(self) -> tuple[str, ...]:
        return tuple(doubt for member in self.members for doubt in member.doubts)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(note for member in self.members for note in member.notes)

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        for member in self.members:
            member.check(target, threat)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        ready = []
        for number, member in enumerate(self.members):
            own, place = Seed.of(seed).child("part", number), workspace and workspace / f"part-{number + 1}"
            ready.append(member.prepare(target, cases, threat, seed=own, workspace=place))
        return self.with_members(ready)


def _narrowest(needs: Iterable[type]) -> type:
    """The first that no other refines; where several stand side by side, `check` asks every member."""
    needs = list(needs)
    return next(need for need in needs if not any(one is not need and issubclass(one, need) for one in needs))


def check_attack(value: object, where: str) -> None:
    """Raises InvalidSpec unless the value is an attack."""
    if not isinstance(value, Attack):
        raise InvalidSpec(f"{where} needs attacks, such as PGD(steps=10); got {value!r}.")


class Worst:
    """The worst attempt on each case, believed only after asking target and threat again (1 forward per attempt).

    An allowed attempt that reaches the goal ends a case. Until then the highest margin is kept, or the first attempt
    where the target gives labels alone.
    """

    def __init__(self, target: Target, cases: Cases, threat: ThreatModel) -> None:
        self.target, self.cases, self.threat = target, cases, threat
        self.inputs = cases.inputs.clone()
        self.found = torch.zeros(len(cases), dtype=torch.bool, device=self.inputs.device)
        self.margins = torch.full((len(cases),), -torch.inf, device=self.inputs.device)
        self.untried = torch.ones_like(self.found)
        self.by = [""] * len(cases)
        self.detail: Tensor | None = None

    def held(self) -> Tensor:
        """Positions of the cases that nothing has broken yet."""
        return (~self.found).nonzero().squeeze(1)

    def offer(self, rows: Tensor, attempts: Attempts, label: str) -> None:
        """Replays attempts on the cases at these positions and keeps what is worse."""
        cases = self.cases[rows]
        inputs = attempts.inputs.to(self.inputs.device)
        detail = () if attempts.detail is None else (attempts.detail,)
        admitted = torch.as_tensor(self.threat.admits(cases, inputs, *detail), device=rows.device)
        outputs = self.target(inputs)
        reached = cases.goals.reached(outputs) & admitted
        scored = isinstance(outputs, Tensor) and outputs.ndim == 2
        margins = cases.goals.margin(outputs) if scored else torch.full_like(self.margins[rows], -torch.inf)
        better = reached | (admitted & (self.untried[rows] | (margins > self.margins[rows])))
        kept = rows[better]
        self.inputs[kept], self.found[kept], self.margins[kept] = inputs[better], reached[better], margins[better]
        self.untried[kept] = False
        for row in kept.tolist():
            self.by[row] = label
        if attempts.detail is not None:
            if self.detail is None:
                self.detail = attempts.detail.new_zeros((len(self.cases), *attempts.detail.shape[1:]))
            self.detail[kept] = attempts.detail[better]

    def attempts(self) -> Attempts:
        return Attempts(self.inputs, self.found, self.by, self.detail)
