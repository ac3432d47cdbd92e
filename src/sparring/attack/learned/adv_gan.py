"""AdvGAN: a generator that learns to write an attack in one forward pass, for all cases to come."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.fit import Learner, Step, fit
from sparring.core.opponent import Opponent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, to_spec
from sparring.core.target import Differentiable, Labelled, Target
from sparring.core.threat import ThreatModel
from sparring.core.training import fingerprint
from sparring.domains.image.generators import Critic, Perturber, aims_of, attempts_of, check_images, seeded

_BLIND = 0.5  # share of cases without a gradient from which on nothing can have been learned


@dataclass(frozen=True)
class AdvGAN(Attack[Differentiable, Cases, LpBall]):
    """A net that writes one attempt per case, trained once against a target on other cases.

    `prepare` trains it and returns the attack that holds it; running an attack that was not prepared trains it on the
    very cases it attacks, which flatters it. The class that a case names as its goal, or its label, is told to the
    net, so one generator serves untargeted and targeted goals. For a target that gives no gradients, wrap it in
    `Distilled`.

    Paper: Xiao et al., 2018, arXiv:1801.02610, sections 3.2 and 4.
    Differs: the threat bounds the change, so the paper's hinge on its length is not needed, and its discriminator
    (`realism`) is off by default; the hinge on the margin is a softplus; the change is standardised before it is
    squashed; the label is told.
    Cost: `epochs` forwards and input-backwards per case learned from. Cost per case: 2 forwards, one of them for the
    untouched case, and only where the attempt failed; a pass of the generator is not metered.

    Args:
        epochs: passes over the cases learned from.
        width: channels of the generator's thinnest layer.
        realism: weight of a discriminator that tells attempts from untouched cases and that the generator must fool.
        schedule: of the generator, and of the discriminator at half the rate.
        generator: what was learned.
        notes: how much it fooled as it learned.
        blind: share of the cases learned from, in the last epoch, on which the target gave no gradient.

    Raises:
        InvalidSpec: if `epochs` or `width` is below 1, or `realism` is negative.
        InvalidCases: if there is nothing to learn from, or the inputs are no images.
        Diverged: if a loss stops being finite as it learns.
    """

    family = "generator"
    epochs: int = 10
    width: int = 8
    realism: float = 0.0
    schedule: Schedule = Schedule(
        batch=128, optimiser="adamw", peak=5e-3, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=10.0
    )
    generator: Perturber | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False, metadata=LEARNED)  # type: ignore[override]

    blind: float = field(default=0.0, compare=False, repr=False, metadata=LEARNED)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.width < 1 or not self.realism >= 0:
            raise InvalidSpec(
                "AdvGAN needs epochs and width of 1 or more and a realism of 0 or more; "
                f"got {self.epochs}, {self.width} and {self.realism}."
            )

    @property
    def doubts(self) -> tuple[str, ...]:
        if self.blind <= _BLIND:
            return ()
        return (
            f"the target gave no gradient on {self.blind:.0%} of what the generator learned from, so it learned nothing and "
            "what held against it proves nothing: follow the target's stand-in with compose.bpda",
        )

    def cost(self, target: Target) -> int:
        return 2 if self.generator is not None else 2 + self.epochs

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        if not isinstance(target, Labelled):
            raise Incompatible(f"{self.name} needs a target with classes; got {type(target).__name__}.")

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "AdvGAN":
        self.check(target, threat)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        check_images(cases.inputs, self.name)
        seed = Seed.of(seed)
        lesson = Writing(self, target, cases, threat, seed)
        asked = {**to_spec(self), "seed": seed.value, "threat": to_spec(threat), "cases": fingerprint(cases)}
        if workspace is not None:
            asked["target"] = target.fingerprint()
        fitted = fit(
            lesson, epochs=self.epochs, schedule=self.schedule, seed=seed.child("fit"), folder=workspace, asked=asked,
            name=f"train {self.name}",
        )  # fmt: skip
        fooled, blind = fitted.history[-1]["fooled"], fitted.history[-1]["blind"]
        note = f"the generator learned from {len(cases)} cases and fooled {fooled:.0%} of them in its last epoch"
        return replace(self, generator=lesson.net.eval(), notes=(note,), blind=blind)

    def search(self, target: Differentiable, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        ready = self if self.generator is not None else self.prepare(target, cases, threat, seed=seed)
        return confirmed(target, cases, ready.write(cases, threat))

    @torch.no_grad()
    def write(self, cases: Cases, threat: LpBall) -> Tensor:
        """The generator's attempts, in the cases' shape; the target is not asked.

        Raises:
            InvalidCases: for images of another number of channels.
        """
        assert self.generator is not None
        check_images(cases.inputs, self.name)
        channels = self.generator.channels
        if cases.inputs.shape[1] != channels:
            raise InvalidCases(
                f"{self.name} learned from images of {channels} channels; got {cases.inputs.shape[1]}. "
                "Prepare it on cases like those it is to attack."
            )
        return attempts_of(self.generator, cases.inputs, aims_of(cases.goals), threat)


class Writing(Learner):
    """A generator at school: it is shown where its attempts lead, and never sees the target's weights."""

    def __init__(self, how: AdvGAN, target: Any, cases: Cases, threat: Any, seed: Seed) -> None:
        self.how, self.target, self.cases, self.threat = how, target, cases, threat
        self.size, channels = len(cases), cases.inputs.shape[1]
        device = cases.inputs.device
        self.net = self.module = seeded(
            seed.child("generator"), lambda: Perturber(channels, target.classes, how.width, threat.norm)
        ).to(device)
        self.critic = None
        if how.realism:
            critic = seeded(seed.child("critic"), lambda: Critic(channels, how.width)).to(device)
            self.critic = Opponent(critic, replace(how.schedule, peak=how.schedule.peak / 2), f"{how.name}'s critic")

    def backward(self, step: Step) -> dict[str, Tensor]:
        cases = self.cases[step.index]
        attempts = attempts_of(self.net, cases.inputs, aims_of(cases.goals), self.threat)
        answer = self.target.gradient(attempts, shortfall(cases.goals))
        gradient = -answer.gradient  # `gradient` looks for what rises; a shortfall is to fall
        fooled = cases.goals.reached(answer.outputs)
        flat = (answer.gradient == 0).flatten(1).all(1) & ~fooled
        sums = {"loss": -answer.values.sum(), "fooled": fooled.sum(), "blind": flat.sum()}
        if self.critic is not None:
            told, sums["critic"] = self._told(cases.inputs, attempts.detach(), step.done)
            gradient = gradient + self.how.realism * told
        attempts.backward(gradient / len(cases))
        return sums

    def _told(self, clean: Tensor, attempts: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """What makes each attempt look less like one, and the critic's loss; the critic learns from both."""
        assert self.critic is not None
        critic = self.critic.module
        attempts.requires_grad_()
        scores = critic(attempts)
        (gradient,) = torch.autograd.grad(functional.softplus(scores).sum(), attempts, retain_graph=True)
        losses = functional.softplus(-scores) + functional.softplus(critic(clean))
        losses.mean().backward()
        self.critic.step(done)
        return gradient, losses.detach().sum()

    def state(self) -> dict[str, Any]:
        return {} if self.critic is None else {"critic": self.critic.state()}

    def restore(self, state: dict[str, Any]) -> None:
        if self.critic is not None:
            self.critic.restore(state["critic"])


def shortfall(goals: Any) -> Callable[[Tensor], Tensor]:
    """Minus softplus(-margin), shape (batch,): rises towards 0 where the goal is reached, and has a slope elsewhere."""
    return lambda outputs: -functional.softplus(-goals.margin(outputs))


def confirmed(target: Target, cases: Cases, attempts: Tensor) -> Attempts:
    """Attempts that were made without the target, claimed where it was asked; a case that is broken as it is stays so.

    1 forward per case, and 1 more where the attempt failed. `attempts` is changed in place.
    """
    found = cases.goals.reached(target(attempts))
    rest = (~found).nonzero().squeeze(1)
    if len(rest):
        broken = rest[cases.goals[rest].reached(target(cases.inputs[rest]))]
        attempts[broken], found[broken] = cases.inputs[broken], True
    return Attempts(attempts, found)
