"""What the repairs by fine-tuning share: failures and benign replies as items, mixed in one objective."""

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import digest, to_spec
from sparring.core.target import Hardening
from sparring.domains.language.conversation import conversations
from sparring.domains.language.failures import benign_replies, broken_replies, safe_reply
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import ADAMW, Objective, fine_tuned
from sparring.train.feedback.retention import Retained

REPAIR = dataclasses.replace(ADAMW, batch=8, peak=5e-4)


@dataclass(frozen=True)
class Failures:
    """Failures of a target, equally many of each.

    Args:
        prompts: what the model was given to continue, the chat template filled in.
        harmful: its reply.
        safe: what it should have said.
    """

    prompts: list[str]
    harmful: list[str]
    safe: list[str]


@dataclass(frozen=True, kw_only=True)
class FromFailures(Defence):
    """Base of the repairs that fine-tune a language model on what broke it, mixed with benign replies of its own.

    What it says to benign questions is held where it was by the KL divergence from the target as it was, at every token
    of its own replies.

    Args:
        harms: whose judges say which replies are harmful and what would have been safe.
        families: that the failures come from.
        benign: questions to keep up; by default those written for training.
        share: of the benign replies among all items.
        retention: weight of that divergence.
        rank: of the adapters.
        steps: of the optimiser, at least: few failures are gone through again and again, always beside other benign
            replies; many failures are gone through once.
        schedule: optimiser, batch size and learning rate.
    """

    harms: tuple[Any, ...] = ()
    families: tuple[str, ...] = ("zero-shot",)  # type: ignore[assignment]
    benign: tuple[str, ...] | None = None
    share: float = 0.5
    retention: float = 1.0
    rank: int = 8
    steps: int = 24
    schedule: Schedule = REPAIR

    learns_harmful = True

    needs_target = OpenChat

    def __post_init__(self) -> None:
        for name in ("harms", "families", "benign"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        if not 0 <= self.share < 1 or self.retention < 0 or self.rank < 1 or self.steps < 1:
            raise InvalidSpec(
                f"{self.name} needs a share in [0, 1), a retention of 0 or more, and a rank and steps of 1 or more; "
                f"got {self.share}, {self.retention}, {self.rank} and {self.steps}."
            )

    @property
    def effort(self) -> int:
        """At the least number of steps: three forwards for a failure, and one more for a benign item's reference."""
        return round(self.steps * self.schedule.batch * (3 + self.share))

    @abstractmethod
    def objective(self, chat: OpenChat, failures: Failures) -> Objective:
        """What is learned from the failures, one item each."""

    def harden(
        self,
        target: OpenChat,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> OpenChat:
        """A fine-tuned copy of the target.

        Raises:
            Incompatible: for a target without weights.
            InvalidCases: for no failures.
        """
        seed = Seed.of(seed)
        if not isinstance(target, OpenChat):
            raise Incompatible(
                f"{self.name} needs a target whose weights are at hand (LocalChat); got {type(target).__name__}. For "
                "others there are the repairs that wrap: blocklist, prompt_augmentation."
            )
        if not len(data):
            raise InvalidCases(f"{self.name} learns from failures; there are none.")
        before = target.meter.forwards
        failures = self._failures(target, data)
        if not failures.prompts:
            return _unchanged(target, Hardening(self.name, self.families, notes=("nothing broke the target any more",)))
        items = max(len(failures.prompts), math.ceil(self.steps * self.schedule.batch * (1 - self.share)))
        benign = benign_replies(target, round(items * self.share / (1 - self.share)), seed, self.benign)
        parts: list[tuple[Objective, float]] = [(Again(self.objective(target, failures), items), 1.0)]
        if benign:
            prompts = [target.prompt_of(one) for one, _ in benign]
            parts.append((Retained(target, prompts, [text for _, text in benign]), self.retention))
        mixed = Mixed(parts)
        tuned, fitted = fine_tuned(
            target, mixed, rank=self.rank, schedule=self.schedule, seed=seed,
            folder=workspace and Path(workspace), asked={"repair": _plain(self)}, progress=progress, name=self.name,
        )  # fmt: skip
        asked = target.meter.forwards - before
        note = f"{len(failures.prompts)} failures, gone through {items / len(failures.prompts):.1f} times, and {len(benign)} benign replies"
        cost = asked + 3 * mixed.size + len(benign)
        step = Hardening(self.name, self.families, fitted.seconds, cost, (note,), tuple(fitted.history))
        tuned.lineage = (*target.lineage, step)
        tuned.cache = target.cache  # whose keys tell the two apart
        return tuned

    def _failures(self, target: OpenChat, data: Cases) -> Failures:
        if self.learns_harmful:
            found = broken_replies(target, data, self.harms)
        else:
            found = [(one, "-") for one in conversations(data.inputs)]
        kept = {(one, text): data.goals[k] for k, (one, text) in enumerate(found) if text}
        return Failures(
            [target.prompt_of(one) for one, _ in kept],
            [text for _, text in kept],
            [safe_reply(self.harms, goal, one) for (one, _), goal in kept.items()],
        )


class Again(Objective):
    """An objective whose items are gone through again from the first, until there are so many.

    Args:
        objective: whose items these are.
        size: how many there are to be.
    """

    def __init__(self, objective: Objective, size: int) -> None:
        self.objective, self.size = objective, size
        place = torch.arange(size) % objective.size
        self.lengths = None if objective.lengths is None else objective.lengths[place]

    @property
    def name(self) -> str:
        return self.objective.name

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        return self.objective.loss(model, index % self.objective.size, seed)

    def at(self, done: float) -> Objective:
        return Again(self.objective.at(done), self.size)

    def asked(self) -> Any:
        return [self.objective.asked(), self.size]


class Mixed(Objective):
    """Objectives side by side: the items of one after those of the other, each loss with its weight.

    Args:
        parts: objectives and weights.
    """

    def __init__(self, parts: Sequence[tuple[Objective, float]]) -> None:
        self.parts = list(parts)
        self.size = sum(part.size for part, _ in self.parts)
        sizes = [part.lengths for part, _ in self.parts]
        known = [lengths for lengths in sizes if lengths is not None]
        self.lengths = torch.cat(known) if len(known) == len(sizes) else None

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        start = 0
        for number, (part, weight) in enumerate(self.parts):
            own = index[(index >= start) & (index < start + part.size)] - start
            start += part.size
            if not len(own):
                continue
            told = part.loss(model, own, seed.child(number))
            loss = told.pop("loss")
            sums["loss"] = sums["loss"] + weight * loss if "loss" in sums else weight * loss
            sums |= {part.name: loss.detach(), **told}
        return sums

    def at(self, done: float) -> Objective:
        return Mixed([(part.at(done), weight) for part, weight in self.parts])

    def asked(self) -> Any:
        return [[part.asked(), weight] for part, weight in self.parts]


def _unchanged(target: OpenChat, step: Hardening) -> OpenChat:
    same = target.with_model(target.model)
    same.lineage = (*target.lineage, step)
    return same


def _plain(defence: FromFailures) -> str:
    settings = {
        field.name: to_spec(getattr(defence, field.name))
        for field in dataclasses.fields(defence)
        if field.name != "families"
    }
    return digest(settings)
