"""Adversarial patch: one sticker, learned once, that fools the target wherever it is put."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sparring.attack.physical.adam import Adam
from sparring.attack.physical.worst import offer, untouched_first
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed, Stream
from sparring.core.spec import LEARNED
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel
from sparring.domains.image.threat import Patch


@dataclass(frozen=True)
class Sticker(Attack[Differentiable, Cases, Patch]):
    """A square pattern learned in expectation over images, places, turns and sizes, then put on each case at random.

    `prepare` learns the pattern and returns the attack that holds it; running an attack that was not prepared learns
    it on the very cases it attacks, which flatters it.

    Paper: Brown et al., 2017, arXiv:1712.09665, section 2.
    Differs: the goal is the cases' own (away from the label, or a class that the goals name); the square is cut hard
    at pixel centres, so that an attempt can be checked; at attack time the worst of several placements is kept.
    Cost: `epochs` forwards and input-backwards per case learned from. Cost per case: `tries + 1` forwards, one of
    them for the untouched case, and the cost of learning where `prepare` was not called.

    Args:
        epochs: passes over the cases learned from, each under fresh placements.
        step_size: Adam's, in shares of the box.
        resolution: cells along the pattern's side.
        degrees: most turn either way.
        smallest: shortest side / longest side that the threat allows.
        tries: placements per case.
        batch: cases per step.
        pattern: what was learned, shape (channel, resolution, resolution), in the threat's box.

    Raises:
        InvalidSpec: for a setting outside its range.
    """

    family = "patch"
    epochs: int = 30
    step_size: float = 0.1
    resolution: int = 16
    degrees: float = 30.0
    smallest: float = 0.8
    tries: int = 4
    batch: int = 32
    pattern: Tensor | None = field(default=None, compare=False, repr=False, metadata=LEARNED)

    def __post_init__(self) -> None:
        if min(self.epochs, self.resolution, self.tries, self.batch) < 1 or not self.step_size > 0:
            raise InvalidSpec(
                "Sticker needs epochs, resolution, tries and batch of 1 or more and a positive step_size; "
                f"got {self.epochs}, {self.resolution}, {self.tries}, {self.batch} and {self.step_size}."
            )
        if not (0 <= self.degrees <= 180 and 0 < self.smallest <= 1):
            raise InvalidSpec(
                f"Sticker needs degrees in 0 to 180 and smallest in (0, 1]; got {self.degrees} and {self.smallest}."
            )

    def cost(self, target: Target) -> int:
        return self.tries + 1 + (0 if self.pattern is not None else self.epochs)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "Sticker":
        self.check(target, threat)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        return replace(self, pattern=self._learn(target, cases, threat, Seed.of(seed)))  # type: ignore[arg-type]

    def search(self, target: Differentiable, cases: Cases, threat: Patch, seed: Seed) -> Attempts:
        ready = self if self.pattern is not None else self.prepare(target, cases, threat, seed=seed)
        pattern = ready.pattern
        assert pattern is not None
        if len(pattern) != cases.inputs.shape[1]:
            raise InvalidCases(
                f"{self.name} learned a pattern of {len(pattern)} channels; got inputs of {cases.inputs.shape[1]}. "
                "Prepare it on cases like those it is to attack."
            )
        best = untouched_first(target, cases)
        stream = seed.child("sticker").stream(cases.ids, cases.inputs.device)
        for attempt in range(self.tries):
            alive = best.alive()
            if len(alive) == 0:
                break
            placement = self._place(cases.inputs[alive], threat, stream[alive], attempt)
            offer(target, cases.goals, best, alive, stick(cases.inputs[alive], pattern, placement))
        return Attempts(best.inputs, best.found)

    def _learn(self, target: Differentiable, cases: Cases, threat: Patch, seed: Seed) -> Tensor:
        channels = target.place(cases[0:1]).inputs
        span, shape = threat.high - threat.low, (channels.shape[1], self.resolution, self.resolution)
        pattern = torch.full(shape, threat.low + span / 2).to(channels)
        adam = Adam(self.step_size * span, threat.low, threat.high)
        generator = seed.child("sticker", "order").generator()
        for epoch in range(self.epochs):
            for chosen in torch.randperm(len(cases), generator=generator).split(self.batch):
                block = target.place(cases[chosen])
                stream = seed.child("sticker", "learn").stream(block.ids, block.inputs.device)
                slope = self._slope(target, block, pattern, self._place(block.inputs, threat, stream, epoch))
                pattern = adam.step(pattern, slope)
        return pattern

    def _slope(self, target: Differentiable, block: Cases, pattern: Tensor, placement: Tensor) -> Tensor:
        """Gradient of the mean goal loss with respect to the pattern, in the pattern's shape."""
        with torch.enable_grad():
            leaf = pattern.detach().requires_grad_()
            stuck = stick(block.inputs, leaf, placement)
            gradient = target.gradient(stuck.detach(), block.goals.loss).gradient
            (slope,) = torch.autograd.grad(stuck, leaf, gradient / len(block))
        return slope

    def _place(self, inputs: Tensor, threat: Patch, stream: Stream, at: int) -> Tensor:
        """Centre right, centre down and half side in pixels, and turn in radians, shape (batch, 4)."""
        height, width = inputs.shape[2:]
        right, down, size, turn = stream.uniform((4,), at).unbind(1)
        half = threat.side(height, width) / 2 * (self.smallest + (1 - self.smallest) * size)
        angle = math.radians(self.degrees) * (2 * turn - 1)
        reach = half * (angle.cos().abs() + angle.sin().abs())
        centre = [
            torch.where(2 * reach < side, reach + draw * (side - 2 * reach).clamp_min(0), side / 2)
            for draw, side in ((right, width), (down, height))
        ]
        return torch.stack([*centre, half, angle], 1)


def stick(inputs: Tensor, pattern: Tensor, placement: Tensor) -> Tensor:
    """The images with the pattern on them, differentiable in the pattern; pixels outside keep their exact values.

    Args:
        inputs: shape (batch, channel, height, width).
        pattern: shape (channel, rows, columns).
        placement: centre right, centre down and half side in pixels, and turn in radians, shape (batch, 4).
    """
    height, width = inputs.shape[2:]
    right, down, half, angle = placement.view(-1, 4, 1, 1).unbind(1)
    x = torch.arange(width, device=inputs.device).add(0.5).view(1, 1, -1) - right
    y = torch.arange(height, device=inputs.device).add(0.5).view(1, -1, 1) - down
    half = half.clamp_min(1e-9)
    across, along = (angle.cos() * x + angle.sin() * y) / half, (angle.cos() * y - angle.sin() * x) / half
    sampled = functional.grid_sample(
        pattern.expand(len(inputs), *pattern.shape), torch.stack([across, along], 3).clamp(-1, 1),
        padding_mode="border", align_corners=False,
    )  # fmt: skip
    covered = (across.abs() <= 1) & (along.abs() <= 1)
    return torch.where(covered[:, None], sampled, inputs)
