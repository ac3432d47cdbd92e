"""HopSkipJump: walks along the decision boundary towards the case, seeing labels alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.goal import Goals
from sparring.core.seed import Seed, Stream
from sparring.core.target import Labelled, Target

_BLOCK = 10  # probes that share one draw number; fixed, so that no batch size changes anybody's numbers
_BLOCKS = 10_000  # draw numbers set aside for one round
_LEAST = 10  # fewer probes than this say nothing about a direction
_HALVINGS = 12
_SEARCH = 20  # halvings of an interval that float32 can tell apart
_SIDES = (1, 2, 4, 8)  # of the tiles of random starts, in pixels


@dataclass(frozen=True)
class HopSkipJump(Attack[Labelled, Cases, LpBall]):
    """Minimises the distance to the case on labels alone; a case is found once it comes within the radius.

    Each round searches the boundary between the case and an adversarial input by bisection, estimates the boundary's
    normal from the labels of random probes around that point, and steps along it.

    Paper: Chen et al., 2020, arXiv:1904.02144, algorithm 2, for L2 and Linf.
    Differs: cases walk together, each with its own random numbers and its own count of queries; a case leaves once it is
    within the radius; the last round's probes are what the budget still holds. Probes lie no closer than float32 can
    tell apart. It starts from random images, ever coarser in their tiles, also for targeted goals, where the paper
    wants an image of the target class: a target class that no random start meets is never found.
    Cost per case: at most `queries` forwards; none after the case is found.

    Args:
        queries: labels asked per case.
        probes: labels that estimate the first direction; the t-th round takes sqrt(t) times as many.
        starts: random images tried before giving a case up.

    Raises:
        InvalidSpec: if `queries`, `probes` or `starts` is below 1.
    """

    family = "query"
    counted = "queries"
    queries: int = 5000
    probes: int = 100
    starts: int = 100

    def __post_init__(self) -> None:
        if min(self.queries, self.probes, self.starts) < 1:
            raise InvalidSpec(
                "HopSkipJump needs queries, probes and starts of 1 or more; "
                f"got {self.queries}, {self.probes} and {self.starts}."
            )

    def cost(self, target: Target) -> int:
        return self.queries

    def check(self, target: Target, threat: object) -> None:
        super().check(target, threat)  # type: ignore[arg-type]
        if threat.norm == 1:  # type: ignore[attr-defined]
            raise Incompatible(f"{self.name} walks in Linf and L2; got {threat.describe()}.")  # type: ignore[attr-defined]

    def search(self, target: Labelled, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        region = threat.around(cases.inputs)
        radius = region.radius.reshape(len(cases))
        nearest, distances = self.nearest(target, cases, threat, seed=seed, enough=radius)
        found = distances <= radius
        projected = region.project_(nearest.clone())
        return Attempts(torch.where(_wide(found, nearest), nearest, projected), found)

    def nearest(
        self, target: Labelled, cases: Cases, threat: LpBall, *, seed: Seed = Seed(0), enough: Tensor | float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """The closest input seen that reaches each case's goal, and how far it is, shape (batch,); infinite if none was.

        Args:
            target, cases, threat: as for `run`; of the threat only norm, box and mask count.
            seed: same seed, same result.
            enough: distance at which a case stops, a number or shape (batch,).
        """
        box = threat.scaled(math.inf).around(cases.inputs)
        if not bool(torch.isfinite(box.low).all() & torch.isfinite(box.high).all()):
            raise Incompatible(f"{self.name} starts from random inputs, so low and high must be finite.")
        hop = _Walk(target, cases.goals, cases.inputs, box.low, box.high, threat.norm)
        enough = torch.as_tensor(enough, device=cases.inputs.device).expand(len(cases))
        far = self._start(hop, seed.child("start").stream(cases.ids, cases.inputs.device))
        hop.halve(self._able(hop, hop.adversarial() & (hop.distances > enough), hop.bisections), far)
        stream = seed.child("probes").stream(cases.ids, cases.inputs.device)
        turn = 1
        while True:
            spare = hop.bisections + 1
            rows = self._able(hop, hop.adversarial() & (hop.distances > enough), spare + _LEAST)
            if len(rows) == 0:
                return hop.best, hop.distances
            wanted = round(self.probes * math.sqrt(turn))
            probes = (self.queries - hop.used[rows] - spare).clamp_max(wanted)
            direction = hop.direction(rows, probes, turn, stream[rows])
            far = hop.step(rows, direction, turn, self.queries - hop.bisections)
            hop.halve(self._able(hop, hop.moved, hop.bisections), far)
            turn += 1

    def _able(self, hop: "_Walk", wanting: Tensor, cost: int) -> Tensor:
        """Positions of the cases that want to go on and can pay for it."""
        return (wanting & (hop.used + cost <= self.queries)).nonzero().squeeze(1)

    def _start(self, hop: "_Walk", stream: Stream) -> Tensor:
        """An adversarial random input per case, and at first the case itself, in case it needs no attack."""
        everyone = torch.arange(len(hop.best), device=hop.best.device)
        hop.keep(everyone, hop.origins, hop.ask(everyone, hop.origins))
        far = hop.origins.clone()
        for start in range(self.starts):
            rows = self._able(hop, ~hop.adversarial(), 1)
            if len(rows) == 0:
                break
            noise = _tiles(stream[rows], hop.origins.shape[1:], start)
            far[rows] = hop.low[rows] + (hop.high[rows] - hop.low[rows]) * noise
            reached = hop.ask(rows, far[rows])
            hop.keep(rows, far[rows], reached)
        lost = (~hop.adversarial()).nonzero().squeeze(1)
        hop.best[lost] = far[lost]
        return far


class _Walk:
    """Where each case stands: its closest adversarial input, how far that is, and how many labels it has asked for."""

    def __init__(
        self, target: Labelled, goals: Goals, origins: Tensor, low: Tensor, high: Tensor, norm: str | int
    ) -> None:
        self.target, self.goals, self.norm = target, goals, norm
        self.origins, self.low, self.high = origins, low, high
        self.best = origins.clone()
        self.distances = torch.full((len(origins),), torch.inf, device=origins.device)
        self.used = torch.zeros(len(origins), dtype=torch.long, device=origins.device)
        self.moved = torch.zeros(len(origins), dtype=torch.bool, device=origins.device)
        self.size = max(origins[0].numel(), 2)
        # The paper's bisection stops at 1 / size^1.5 (L2) or 1 / size^2 (Linf) of the interval.
        self.bisections = min(math.ceil((1.5 if norm == 2 else 2.0) * math.log2(self.size)), _SEARCH)

    def adversarial(self) -> Tensor:
        """Bool, shape (batch,): whether an input that reaches the goal is known."""
        return torch.isfinite(self.distances)

    def ask(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Whether each input reaches the goal of the case at its row; rows may occur more than once."""
        self.used.index_add_(0, rows, torch.ones_like(rows))
        return self.goals[rows].reached(self.target.decide(inputs)).to(rows.device)

    def keep(self, rows: Tensor, inputs: Tensor, reached: Tensor) -> None:
        """Remembers the inputs that reach the goal and are closer than what was known."""
        distances = lp_norm(inputs - self.origins[rows], self.norm)
        closer = reached & (distances < self.distances[rows])
        self.best[rows[closer]], self.distances[rows[closer]] = inputs[closer], distances[closer]

    def halve(self, rows: Tensor, far: Tensor) -> None:
        """Bisects between these cases and their adversarial inputs `far`, shape (batch, ...)."""
        if len(rows) == 0:
            return
        origins, far = self.origins[rows], far[rows]
        least = torch.zeros(len(rows), device=rows.device)
        most = torch.ones_like(least)
        reach = lp_norm(far - origins, self.norm)
        for _ in range(self.bisections):
            middle = (least + most) / 2
            if self.norm == 2:
                tried = torch.lerp(origins, far, _wide(middle, far))
            else:
                limit = _wide(middle * reach, far)
                tried = torch.maximum(torch.minimum(far, origins + limit), origins - limit)
            reached = self.ask(rows, tried)
            self.keep(rows, tried, reached)
            least, most = torch.where(reached, least, middle), torch.where(reached, middle, most)

    def direction(self, rows: Tensor, probes: Tensor, turn: int, stream: Stream) -> Tensor:
        """The boundary's normal at each best input, towards the goal: unit length (L2) or signs (Linf).

        Args:
            rows: positions of the cases.
            probes: labels to ask for each, shape (row,).
            turn: the round, from 1.
            stream: of these cases.
        """
        at, low, high = self.best[rows], self.low[rows], self.high[rows]
        shape = at.shape[1:]
        if turn == 1:
            length = 0.1 * (high - low).flatten(1).amax(1)
        else:
            length = (self.distances[rows] / self.size).clamp_min(1e-5 * math.sqrt(self.size))
        length = _wide(length, at)
        agreeing, total, ayes = torch.zeros_like(at), torch.zeros_like(at), torch.zeros_like(probes)
        for block in range(math.ceil(int(probes.max()) / _BLOCK)):
            number = turn * _BLOCKS + block
            drawn = (_BLOCK, *shape)
            noise = stream.normal(drawn, number) if self.norm == 2 else 2 * stream.uniform(drawn, number) - 1
            noise = noise * (high > low)[:, None]
            noise = noise / noise.flatten(2).norm(dim=2).clamp_min(1e-12).reshape(*noise.shape[:2], *[1] * len(shape))
            asked = (block * _BLOCK + torch.arange(_BLOCK, device=rows.device)) < probes[:, None]
            tried = torch.clamp(at[:, None] + length[:, None] * noise, low[:, None], high[:, None])
            noise = (tried - at[:, None]) / length[:, None] * _wide(asked, noise)
            reached = torch.zeros_like(asked)
            reached[asked] = self.ask(rows[:, None].expand_as(asked)[asked], tried[asked])
            agreeing += (noise * _wide(reached, noise)).sum(1)
            total += noise.sum(1)
            ayes += reached.sum(1)
        # With votes of +1 and -1 less their mean, as in the paper; a vote without dissent stands as it is.
        share = _wide(ayes / probes, at)
        estimate = torch.where(share == 0, -total, torch.where(share == 1, total, agreeing - share * total))
        if self.norm == "inf":
            return estimate.sign()
        return estimate / _wide(lp_norm(estimate, 2).clamp_min(1e-12), at)

    def step(self, rows: Tensor, direction: Tensor, turn: int, limit: int) -> Tensor:
        """An adversarial input further along `direction` per case, halving the step until one is found.

        `moved` then tells which cases have one; nobody asks for more than `limit` labels in all.
        """
        far = self.best.clone()
        self.moved.zero_()
        start, length = self.best[rows].clone(), self.distances[rows] / math.sqrt(turn)
        left = torch.arange(len(rows), device=rows.device)
        for halving in range(_HALVINGS):
            left = left[(self.used[rows[left]] < limit)]
            if len(left) == 0:
                break
            here = rows[left]
            change = direction[left] * _wide(length[left] / 2**halving, direction)
            tried = torch.clamp(start[left] + change, self.low[here], self.high[here])
            reached = self.ask(here, tried)
            self.keep(here, tried, reached)
            far[here[reached]], self.moved[here[reached]] = tried[reached], True
            left = left[~reached]
        return far


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """With as many trailing axes of length 1 as it takes to multiply `like`."""
    return values.reshape(*values.shape, *[1] * (like.ndim - values.ndim))


def _tiles(stream: Stream, shape: tuple[int, ...], draw: int) -> Tensor:
    """Random inputs in [0, 1), constant on tiles whose side grows from draw to draw and starts again."""
    side = _SIDES[draw % len(_SIDES)]
    axes = range(max(len(shape) - 2, 0), len(shape))
    coarse = [math.ceil(size / side) if axis in axes else size for axis, size in enumerate(shape)]
    noise = stream.uniform(coarse, draw)
    for axis in axes:
        noise = noise.repeat_interleave(side, axis + 1).narrow(axis + 1, 0, shape[axis])
    return noise
