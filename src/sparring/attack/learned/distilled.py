"""Distilled: a copy of the target is trained on its answers, and the attack is made on the copy."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparring.attack.compose.composed import Composed, check_attack
from sparring.attack.learned.adv_gan import AdvGAN, confirmed
from sparring.core.attack import Attack, Attempts
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.fit import Learner, Step, fit
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, to_spec
from sparring.core.target import Labelled, Target
from sparring.core.threat import ThreatModel
from sparring.core.training import fingerprint
from sparring.domains.image.generators import check_images, seeded
from sparring.domains.image.target import Classifier

_BLOCK = 256


@dataclass(frozen=True)
class Distilled(Composed):
    """Runs an attack on a copy that `prepare` distils from the target's answers; the target gives no gradients.

    In each round the copy learns the target's answers, the attack is prepared and run on the copy, and the target is
    asked about those attempts, so that the next copy is right where the attack goes.

    Paper: Xiao et al., 2018, arXiv:1801.02610, section 3.3 (dynamic distillation); Papernot et al., 2017,
    arXiv:1602.02697, section 4, for answers that are labels alone.
    Differs: the attack is any attack, and is prepared anew in each round; the copy starts from nothing and its
    architecture is ours, not the target's. Attempts are claimed only after the target was asked.
    Cost: `rounds` queries per case learned from. Cost per case: 2 queries, one of them for the untouched case, and only
    where the attempt failed; and the attack's cost on the copy.

    Args:
        attack: what to run on the copy.
        rounds: of distilling and attacking.
        epochs: of the copy's training in each round.
        width: channels of the copy's first layer.
        schedule: of the copy's training.
        surrogate: the copy.
        agreement: share of the cases learned from on which the copy decides as the target does.

    Raises:
        InvalidSpec: if `attack` is no attack, or a number is below 1.
        InvalidCases: if there is nothing to learn from, or the inputs are no images.
    """

    attack: Attack[Any, Any, Any] = AdvGAN()
    rounds: int = 2
    epochs: int = 10
    width: int = 16
    schedule: Schedule = Schedule(batch=64, optimiser="adamw", peak=2e-3, weight_decay=0.0)
    surrogate: Target | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    agreement: float | None = field(default=None, compare=False, repr=False, metadata=LEARNED)

    needs_target = Labelled  # type: ignore[assignment]

    def __post_init__(self) -> None:
        check_attack(self.attack, "Distilled")
        if min(self.rounds, self.epochs, self.width) < 1:
            raise InvalidSpec(
                f"Distilled needs rounds, epochs and width of 1 or more; got {self.rounds}, {self.epochs} and {self.width}."
            )

    @property
    def members(self) -> tuple[Attack[Any, Any, Any], ...]:
        return (self.attack,)

    def with_members(self, members: Sequence[Attack[Any, Any, Any]]) -> Self:
        return dataclasses.replace(self, attack=members[0])

    @property
    def learns(self) -> bool:
        return True

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.agreement is None:
            return ()
        return (f"the copy decides as the target does on {self.agreement:.0%} of what it learned from", *super().notes)

    def cost(self, target: Target) -> int:
        return 2 if self.surrogate is not None else 2 + self.rounds

    def within(self, budget: Budget, target: Target) -> Self:
        return self if budget.forwards is None else super(Composed, self).within(budget, target)

    def check(self, target: Target, threat: ThreatModel) -> None:
        Attack.check(self, target, threat)
        if not isinstance(threat, self.attack.needs_threat):
            raise Incompatible(
                f"{self.attack.name} needs a {self.attack.needs_threat.__name__} threat; got {type(threat).__name__}."
            )

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> Self:
        self.check(target, threat)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        check_images(cases.inputs, self.name)
        assert isinstance(target, Labelled)
        seed, inputs = Seed.of(seed), cases.inputs
        answers = likelihoods(target, inputs)
        classes = answers.shape[1]  # one more than the target's where it may reject
        asked = {**to_spec(self), "seed": seed.value, "target": target.fingerprint(), "cases": fingerprint(cases)}
        ready = self
        for number in range(self.rounds):
            place = workspace and workspace / f"round-{number + 1}"
            own = seed.child("round", number)
            copy = Copying(self, inputs, answers, classes, own)
            fit(
                copy, epochs=self.epochs, schedule=self.schedule, seed=own, folder=place and place / "copy",
                asked={**asked, "round": number}, name=f"copy {target.name}",
            )  # fmt: skip
            surrogate = Classifier(copy.module.eval(), classes, name=f"copy of {target.name}")
            attack = self.attack.prepare(surrogate, cases, threat, seed=own, workspace=place and place / "attack")
            agreed = float((likelihoods(surrogate, inputs).argmax(1) == answers.argmax(1)).float().mean())
            ready = dataclasses.replace(ready, attack=attack, surrogate=surrogate, agreement=agreed)
            if number + 1 < self.rounds:
                blocks = [attack.run(surrogate, block, threat, seed=own).inputs for block in cases.blocks(_BLOCK)]
                inputs = torch.cat([inputs, *blocks])
                answers = torch.cat([answers, likelihoods(target, inputs[len(answers) :])])
        return ready

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        ready = self if self.surrogate is not None else self.prepare(target, cases, threat, seed=seed)
        assert ready.surrogate is not None
        attempts = ready.attack.run(ready.surrogate, cases, threat, seed=seed).inputs
        return confirmed(target, cases, attempts.clone())


class Copying(Learner):
    """A small net that learns to answer as somebody else does."""

    def __init__(self, how: Distilled, inputs: Tensor, answers: Tensor, classes: int, seed: Seed) -> None:
        self.inputs, self.answers, self.size = inputs, answers, len(inputs)
        shape = inputs.shape[1:]
        self.module = seeded(seed.child("copy"), lambda: copy_net(shape, classes, how.width)).to(inputs.device)

    def backward(self, step: Step) -> dict[str, Tensor]:
        index = step.index
        losses = functional.cross_entropy(self.module(self.inputs[index]), self.answers[index], reduction="none")
        losses.mean().backward()
        return {"loss": losses.detach().sum()}


def copy_net(shape: Sequence[int], classes: int, width: int) -> nn.Module:
    """Two strided convolutions and a hidden layer for images of this shape (channel, height, width)."""
    rows, columns = (-(-side // 4) for side in shape[1:])
    return nn.Sequential(
        nn.Conv2d(shape[0], width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(2 * width * rows * columns, 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip


def likelihoods(target: Labelled, inputs: Tensor) -> Tensor:
    """What the target gives each class, shape (batch, class): probabilities from scores, or all on one label."""
    answers = [target(block) for block in inputs.split(_BLOCK)]
    outputs = torch.cat(answers)
    if outputs.ndim == 1:
        return functional.one_hot(outputs, target.classes).float()
    sums = outputs.sum(1)
    told = bool((outputs >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all())
    return outputs.float() if told else outputs.float().softmax(1)
