"""The ascents that APGD makes: momentum and halved steps for most geometries, adaptive sparsity for L1."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from sparring.attack.gradient.losses import Objective
from sparring.attack.gradient.pgd import Best
from sparring.core.ball import LpBall
from sparring.core.seed import Stream
from sparring.core.target import Differentiable
from sparring.core.threat import Projectable

_DROP_SHARE = 0.05  # compact the batch once this share of it has been fooled
_MOMENTUM = 0.75
_RHO = 0.75  # a step size stays while it has raised the loss in more than this share of steps
_SPARSITY = 0.2  # share of coordinates that the first L1 steps move
_SPARSER = 1.5  # an L1 step moves the best change's number of coordinates / this
_L1_RADII = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))  # (multiple of the radius, share of the steps)


def ascend(
    target: Differentiable,
    threat: Projectable,
    objective: Objective,
    origins: Tensor,
    stream: Stream,
    steps: int,
    positions: Tensor,
    best: Best,
) -> None:
    """One run of APGD on every case of the batch: `steps + 1` forwards and at most `steps` input-backwards per case.

    Args:
        target: gives the gradients.
        threat: the allowed set; an L1 ball gets the sparse ascent.
        objective: what to climb.
        origins: the cases' inputs, shape (batch, ...).
        stream: random numbers of each case, for the start.
        steps: how many.
        positions: which cases of the batch to attack, int64, shape (at most batch,).
        best: collects the outcome.
    """
    objective, stream = objective[positions], stream[positions]
    if not (isinstance(threat, LpBall) and threat.norm == 1):
        region = threat.around(origins)[positions]
        Halving(target, objective, region, region.sample(stream), positions, best).climb(steps)
        return
    # From wide to narrow, as the paper's section 3.3 does; every later start costs a forward, paid out of the steps.
    radii = _L1_RADII if steps >= 20 else ((1.0, 1.0),)
    moved: Tensor | None = None
    spent = len(radii) - 1
    for factor, share in radii:
        region = threat.scaled(threat.radius * factor).around(origins)[positions]
        moved = region.sample(stream) if moved is None else region.project_(moved)
        last = factor == 1.0
        count = steps - spent if last else int(share * steps)
        spent += count
        climber = Sparse(target, objective, region, moved, positions, best if last else None)
        climber.climb(count)
        moved = climber.best_inputs


class Ascent(ABC):
    """The loop around a step rule: evaluate, keep each case's best, drop the fooled, step.

    All tensors are of one batch; `best` is None where the region is not the real one, so that nothing found counts.
    """

    def __init__(
        self,
        target: Differentiable,
        objective: Objective,
        region: Any,
        start: Tensor,
        positions: Tensor,
        best: Best | None,
    ) -> None:
        self.target, self.objective, self.region = target, objective, region
        self.positions, self.best = positions, best
        self.moved = start
        self.previous = start.clone()
        self.values = start.new_empty(len(start))
        self.best_values = start.new_full((len(start),), -torch.inf)
        self.best_inputs = start.clone()
        self.gradient = self.best_gradient = torch.zeros_like(start)
        self.size = torch.empty_like(self.values)

    def climb(self, steps: int) -> None:
        """Evaluates the start, then `steps` times steps and evaluates."""
        self._evaluate(backward=steps > 0)
        for step in range(steps):
            if len(self.positions) == 0:
                return
            self.step(step)
            self._evaluate(backward=step < steps - 1)
            if step < steps - 1:
                self.check()
        if self.best is not None:
            missed = torch.zeros(len(self.positions), dtype=torch.bool, device=self.moved.device)
            self.best.offer(self.positions, self.best_inputs, self.best_values, missed)

    @abstractmethod
    def step(self, number: int) -> None:
        """Moves `moved` along `gradient`, whose memory it may use up."""

    @abstractmethod
    def check(self) -> None:
        """Adapts the step rule after an evaluation."""

    def rows(self) -> tuple[str, ...]:
        """Names of the tensors that a dropped case must leave."""
        names = ("moved", "previous", "values", "best_values", "best_inputs", "gradient", "best_gradient", "size")
        return (*names, "positions", "objective", "region")

    def _evaluate(self, backward: bool) -> None:
        if backward:
            self.values, outputs, self.gradient = self.target.gradient(self.moved, self.objective)
        else:
            outputs = self.target(self.moved)
            self.values = self.objective(outputs)
        better = (self.values > self.best_values).nonzero().squeeze(1)
        self.best_values = torch.maximum(self.values, self.best_values)
        self.best_inputs.index_copy_(0, better, self.moved.index_select(0, better))
        if backward:
            self.best_gradient.index_copy_(0, better, self.gradient.index_select(0, better))
        if self.best is not None:
            self._drop(self.objective.goals.reached(outputs), self.best)

    def _drop(self, reached: Tensor, best: Best) -> None:
        hit = reached.nonzero().squeeze(1)
        if len(hit) == 0:
            return
        best.offer(self.positions[hit], self.moved[hit], self.values[hit], reached[hit])
        fooled = best.found[self.positions]
        if int(fooled.sum()) > _DROP_SHARE * len(fooled):
            stay = (~fooled).nonzero().squeeze(1)
            for name in self.rows():
                setattr(self, name, getattr(self, name)[stay])


class Halving(Ascent):
    """Steps of twice the radius, with momentum, halved at checkpoints where the loss stopped rising; a halved case goes
    on from its best point.

    Paper: Croce and Hein, 2020, arXiv:2003.01690, algorithm 1.
    """

    def climb(self, steps: int) -> None:
        count = len(self.positions)
        self.size = 2.0 * self.region.radius.clone()
        self.rises = torch.zeros(count, device=self.moved.device)
        self.before = torch.full_like(self.best_values, torch.inf)
        self.checked = torch.full_like(self.best_values, -torch.inf)
        self.halved = torch.ones(count, dtype=torch.bool, device=self.moved.device)
        self.period, self.least, self.shrink = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
        self.since = 0
        super().climb(steps)

    def step(self, number: int) -> None:
        self.before = self.values
        ahead = self.region.steepest(self.gradient).mul_(self.size).add_(self.moved)
        ahead = self.region.project_(ahead)
        if number > 0:
            # moved + 0.75 (ahead - moved) + 0.25 (moved - previous), gathered by terms
            rest = 1.0 - _MOMENTUM
            mixed = self.previous.mul_(-rest).add_(self.moved, alpha=2 * rest).add_(ahead, alpha=_MOMENTUM)
            ahead = self.region.project_(mixed)
        else:
            self.checked = self.best_values
        self.previous, self.moved = self.moved, ahead

    def check(self) -> None:
        self.rises += self.values > self.before
        self.since += 1
        if self.since < self.period:
            return
        stalled = self.rises <= _RHO * self.period
        stalled |= ~self.halved & (self.checked >= self.best_values)
        self.halved, self.checked = stalled, self.best_values
        where = stalled.nonzero().squeeze(1)
        self.size[where] /= 2.0
        self.moved.index_copy_(0, where, self.best_inputs.index_select(0, where))
        self.gradient.index_copy_(0, where, self.best_gradient.index_select(0, where))
        self.values = torch.where(stalled, self.best_values, self.values)
        self.rises.zero_()
        self.since = 0
        self.period = max(self.period - self.shrink, self.least)

    def rows(self) -> tuple[str, ...]:
        return (*super().rows(), "rises", "before", "checked", "halved")


class Sparse(Ascent):
    """L1 steps along the largest gradient entries only, as many as the best change's sparsity suggests.

    Paper: Croce and Hein, 2021, arXiv:2103.01208, section 3.2 and algorithm 1.
    """

    def climb(self, steps: int) -> None:
        count, width = len(self.positions), self.moved[0].numel()
        self.size = self.region.radius.reshape(count).clone()
        self.moves = torch.full((count,), _SPARSITY * width, device=self.moved.device)
        self.spread = torch.full((count,), float(width), device=self.moved.device)
        self.period, self.since = max(int(0.04 * steps), 1), 0
        super().climb(steps)

    def step(self, number: int) -> None:
        flat = self.gradient.masked_fill_(self.region.low == self.region.high, 0.0).flatten(1)
        size = flat.abs()
        last = self.moves.long().clamp(1, flat.shape[1]) - 1
        threshold = size.sort(1, descending=True).values.gather(1, last[:, None])
        direction = flat.sign() * (size >= threshold)
        direction *= (self.size / direction.abs().sum(1).clamp_min(1.0))[:, None]
        self.moved = self.region.project_(direction.reshape(self.moved.shape).add_(self.moved))

    def check(self) -> None:
        self.since += 1
        if self.since < self.period:
            return
        self.since = 0
        radius = self.region.radius.reshape(len(self.moved))
        spread = (self.best_inputs != self.region.origins).flatten(1).sum(1).float()
        sparser = spread < 0.95 * self.spread
        self.moves, self.spread = spread / _SPARSER, spread
        self.size = torch.maximum(torch.where(sparser, radius, self.size / _SPARSER), radius / 10)
        where = sparser.nonzero().squeeze(1)
        self.moved.index_copy_(0, where, self.best_inputs.index_select(0, where))
        self.gradient.index_copy_(0, where, self.best_gradient.index_select(0, where))

    def rows(self) -> tuple[str, ...]:
        return (*super().rows(), "moves", "spread")
