"""Square attack: random search that repaints one square per query and keeps it if the scores got worse."""

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.core.attack import Attack, Attempts
from sparring.core.ball import BallRegion, LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Goals
from sparring.core.seed import Seed, Stream
from sparring.core.target import Scored, Target

_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries: where the square's area halves
_BLOCK = 64  # queries whose random numbers are drawn at once, because small draws cost as much as large ones
_TINY = 1e-12


@dataclass(frozen=True)
class Square(Attack[Scored, Cases, LpBall]):
    """Random search over squares, on scores alone.

    Linf: starts from vertical stripes of -radius and +radius; each query paints one square, per channel, with the
    lowest or the highest allowed value. L2: starts from a tiling of bumps; each query moves the mass of one window into
    a bump in another. L1: as L2, with steeper bumps and the exact projection onto ball and box.

    Inputs of shape (batch, channel, height, width); further axes before the height count as channels, and inputs of
    shape (batch, channel, time) or (batch, feature) as images of one row, whose squares are stretches.

    Paper: Andriushchenko et al., 2020, arXiv:1912.00049, algorithms 1 to 3. L1, and the schedule rescaled to the number
    of queries, as in AutoAttack (Croce and Hein, 2020, arXiv:2003.01690; 2021, arXiv:2103.01208).
    Differs: the reference draws one position and (for Linf) one sign per batch, here each case draws its own, so that
    no verdict depends on the batch; the size follows the schedule and is the same for all in both. The reference never
    places a square flush with the bottom or right edge, here it may. Targeted goals climb the target class's margin,
    where AutoAttack uses cross-entropy. No query is spent on the clean input or on a final check.
    Cost per case: `restarts * (queries + 1)` forwards; none after the case is fooled.

    Args:
        queries: squares tried per restart.
        p_init: share of the image's area that the first square covers.
        restarts: independent random starts.

    Raises:
        InvalidSpec: if `queries` or `restarts` is below 1, or `p_init` is not in (0, 1].
    """

    family = "query"
    counted = "queries"
    queries: int = 5000
    p_init: float = 0.8
    restarts: int = 1

    def __post_init__(self) -> None:
        if self.queries < 1 or self.restarts < 1:
            raise InvalidSpec(f"Square needs queries and restarts of 1 or more; got {self.queries}, {self.restarts}.")
        if not 0 < self.p_init <= 1:
            raise InvalidSpec(f"Square needs p_init, a share of the image, in (0, 1]; got {self.p_init}.")

    def cost(self, target: Target) -> int:
        return self.restarts * (self.queries + 1)

    def search(self, target: Scored, cases: Cases, threat: LpBall, seed: Seed) -> Attempts:
        inputs = cases.inputs
        best = inputs.clone()
        margins = torch.full((len(inputs),), -torch.inf, device=inputs.device)
        found = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
        region = threat.around(inputs)
        for restart in range(self.restarts):
            alive = (~found).nonzero().squeeze(1)
            if len(alive) == 0:
                break
            stream = seed.child("square", restart).stream(cases.ids, inputs.device)[alive]
            walk = (_Squares if threat.norm == "inf" else _Bumps)(region[alive], stream)
            for rows, images, values, reached in self._walk(target, cases.goals[alive], walk):
                where = alive[rows]
                better = reached | (values > margins[where])
                where = where[better]
                best[where], margins[where], found[where] = images[better], values[better], reached[better]
        return Attempts(best, found)

    def _walk(self, target: Scored, goals: Goals, walk: "_Walk") -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Yields (rows, inputs, margins, reached) of the cases that leave: when fooled, or at the end."""
        rows = torch.arange(len(goals), device=walk.images.device)
        walk.start()
        scores = target(walk.inputs)
        values, reached = goals.margin(scores), goals.reached(scores)
        for query in range(self.queries + 1):
            if bool(reached.any()):
                yield rows[reached], walk.inputs[reached], values[reached], reached[reached]
                stay = (~reached).nonzero().squeeze(1)
                if len(stay) == 0:
                    return
                rows, values, goals = rows[stay], values[stay], goals[stay]
                walk.keep(stay)
            if query == self.queries:
                break
            share = self.p_init / 2 ** bisect.bisect_left(_HALVINGS, int(query / self.queries * 10000))
            walk.propose(query, share)
            scores = target(walk.proposal)
            new, reached = goals.margin(scores), goals.reached(scores)
            accepted = reached | (new > values)
            values = torch.where(accepted, new, values)
            walk.settle(accepted)
        yield rows, walk.inputs, values, torch.zeros_like(rows, dtype=torch.bool)


class _Walk(ABC):
    """The images of the cases that are not fooled yet, (batch, channel, height * width), and where they may go."""

    numbers: int  # uniform numbers that one query uses beside one per channel

    def __init__(self, region: BallRegion, stream: Stream) -> None:
        self.shape = region.origins.shape[1:]
        self.height = self.shape[-2] if len(self.shape) > 2 else 1
        self.width = self.shape[-1]
        self.region, self.stream = region, stream
        self.images = self._planes(region.origins).clone()
        self.channels = self.images.shape[1]
        self.low, self.high = self._planes(region.low).contiguous(), self._planes(region.high).contiguous()
        self.draws = torch.empty(0)

    @property
    def inputs(self) -> Tensor:
        """The images kept so far, in the inputs' shape."""
        return self.images.view(len(self.images), *self.shape)

    @property
    @abstractmethod
    def proposal(self) -> Tensor:
        """What the next query asks, in the inputs' shape."""

    @abstractmethod
    def start(self) -> None:
        """Moves the images to the random start."""

    @abstractmethod
    def propose(self, query: int, share: float) -> None:
        """Makes the proposal of this query, changing about this share of each image."""

    @abstractmethod
    def settle(self, accepted: Tensor) -> None:
        """Keeps the accepted proposals and drops the others."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with these cases alone."""
        self.region, self.stream = self.region[rows], self.stream[rows]
        self.images, self.low, self.high = self.images[rows], self.low[rows], self.high[rows]
        self.draws = self.draws[rows] if len(self.draws) else self.draws

    def draw(self, query: int) -> Tensor:
        """The uniform numbers of this query, (batch, numbers + channel)."""
        if query % _BLOCK == 0:
            shape = (_BLOCK, self.numbers + self.channels)
            self.draws = self.stream.uniform(shape, at=1 + query // _BLOCK)
        return self.draws[:, query % _BLOCK]

    def side(self, share: float) -> int:
        """Side of the square that covers this share of an image; length of the stretch, for an image of one row."""
        area = share * self.height * self.width
        return round(math.sqrt(area) if self.height > 1 else area)

    def window(self, corner: Tensor, side: int) -> Tensor:
        """Pixels of a square per case, (batch, channel, pixel), from two uniform numbers per case."""
        tall, wide = min(side, self.height), side
        top = (corner[:, 0] * (self.height - tall + 1)).long()
        left = (corner[:, 1] * (self.width - wide + 1)).long()
        rows = torch.arange(tall, device=corner.device) * self.width
        within = (rows[:, None] + torch.arange(wide, device=corner.device)).flatten()
        first = top * self.width + left
        return (first[:, None] + within)[:, None].expand(-1, self.channels, -1)

    def limit(self, side: int) -> int:
        """A side that fits into the image."""
        return min(side, self.width, self.height if self.height > 1 else self.width)

    def _planes(self, values: Tensor) -> Tensor:
        return values.reshape(len(values), -1, self.height * self.width)


class _Squares(_Walk):
    """Linf: every pixel sits at its lowest or highest allowed value, so a proposal repaints one square in place."""

    numbers = 2

    @property
    def proposal(self) -> Tensor:
        return self.inputs

    def start(self) -> None:
        up = self.stream.uniform((self.channels, 1, self.width)) < 0.5
        up = up.expand(-1, -1, self.height, -1).reshape(self.images.shape)
        self.images = torch.where(up, self.high, self.low)

    def propose(self, query: int, share: float) -> None:
        draw = self.draw(query)
        self.pixels = self.window(draw, self.limit(max(self.side(share), 1)))
        self.before = self.images.gather(2, self.pixels)
        up = draw[:, 2:, None] < 0.5
        self.after = torch.where(up, self.high.gather(2, self.pixels), self.low.gather(2, self.pixels))
        self.images.scatter_(2, self.pixels, self.after)

    def settle(self, accepted: Tensor) -> None:
        self.images.scatter_(2, self.pixels, torch.where(accepted[:, None, None], self.after, self.before))


class _Bumps(_Walk):
    """L2 and L1: the mass of one window moves into a bump in another, and the whole is spread over the ball."""

    numbers = 5

    def __init__(self, region: BallRegion, stream: Stream) -> None:
        super().__init__(region, stream)
        self.norm = int(region.norm)
        self.known: dict[tuple[int, int], Tensor] = {}
        self.origins, self.radius = self._planes(region.origins), region.radius.reshape(-1, 1, 1)

    @property
    def proposal(self) -> Tensor:
        return self.trial.view(len(self.trial), *self.shape)

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.origins, self.radius = self.origins[rows], self.radius[rows]

    def start(self) -> None:
        side = max(self.limit(self.width) // 5, 1)
        tall = min(side, self.height)
        down, across = self.height // tall, self.width // side
        draws = self.stream.uniform((1 + self.channels, down, 1, across, 1))
        bumps = self.bumps(tall, side)[:, None, :, None, :]  # orientation, (down), row, (across), column
        signs = torch.where(draws[:, 1:] < 0.5, -1.0, 1.0)
        tiles = signs * torch.where(draws[:, :1] < 0.5, bumps[0], bumps[1])
        tiles = tiles.reshape(len(draws), self.channels, down * tall, across * side)
        spare = (self.height - down * tall, self.width - across * side)
        edges = (spare[1] // 2, spare[1] - spare[1] // 2, spare[0] // 2, spare[0] - spare[0] // 2)
        self.images = self.spread(torch.nn.functional.pad(tiles, edges).reshape(self.images.shape))

    def propose(self, query: int, share: float) -> None:
        draw = self.draw(query)
        side = self.limit(max(self.side(share), 3) // 2 * 2 + 1)
        into, source = self.window(draw, side), self.window(draw[:, 2:4], side)
        change = self.images - self.origins
        unused = (self.radius**self.norm - self.power(change).sum(1, keepdim=True)).clamp_min_(0)
        old = change.gather(2, into)
        mass = self.power(old)
        change.scatter_(2, into, 0.0)
        moved = mass + self.power(change.gather(2, source))
        change.scatter_(2, source, 0.0)
        bumps = self.bumps(min(side, self.height), side).flatten(1)
        bump = torch.where(draw[:, 4:5] < 0.5, bumps[0], bumps[1])[:, None]
        new = bump * torch.where(draw[:, 5:] < 0.5, -1.0, 1.0)[:, :, None] + old / (_TINY + self.root(mass))
        # AutoAttack's L1 gives every channel the whole mass; the projection then takes back what is too much.
        size = self.root(unused / self.channels + moved) * (self.channels if self.norm == 1 else 1)
        change.scatter_(2, into, new * (size / (_TINY + self.root(self.power(new)))))
        self.trial = self.spread(change)

    def settle(self, accepted: Tensor) -> None:
        rows = accepted.nonzero().squeeze(1)
        self.images[rows] = self.trial[rows]

    def spread(self, change: Tensor) -> Tensor:
        """The images with this change. L2: scaled to the radius, then clamped; L1: projected onto ball and box."""
        if self.norm == 1:
            moved = (self.origins + change).view(len(change), *self.shape)
            return self.region.project_(moved).view(change.shape)
        scale = self.radius / (_TINY + lp_norm(change, 2)).reshape(-1, 1, 1)
        return torch.clamp(torch.addcmul(self.origins, change, scale), self.low, self.high)

    def power(self, change: Tensor) -> Tensor:
        """Sum of squares (L2) or sizes (L1) per channel, (batch, channel, 1)."""
        return (change.square() if self.norm == 2 else change.abs()).sum(2, keepdim=True)

    def root(self, mass: Tensor) -> Tensor:
        return mass.sqrt() if self.norm == 2 else mass

    def bumps(self, tall: int, wide: int) -> Tensor:
        """A bump up beside a bump down, split between rows or between columns: (2, tall, wide), of unit norm."""
        if (tall, wide) in self.known:
            return self.known[tall, wide]
        between_rows = torch.cat([self.bump(tall // 2, wide), -self.bump(tall - tall // 2, wide)], 0)
        between_columns = torch.cat([self.bump(wide // 2, tall), -self.bump(wide - wide // 2, tall)], 0).T
        both = torch.stack([between_rows, between_columns]).to(self.images.device)
        self.known[tall, wide] = both / self.root(self.power(both.flatten(1)[:, None]))
        return self.known[tall, wide]

    def bump(self, tall: int, wide: int) -> Tensor:
        """Concentric rectangles, the k-th from the middle adding 1 / k^2 (L2) or 1 / k^4 (L1): (tall, wide), unit norm."""
        away_down = (torch.arange(tall) - tall // 2).abs()
        away_across = (torch.arange(wide) - wide // 2).abs()
        rings = torch.arange(1, max(tall, wide) // 2 + 2, dtype=torch.float32) ** (-2.0 if self.norm == 2 else -4.0)
        heights = rings.flip(0).cumsum(0).flip(0)[torch.maximum(away_down[:, None], away_across)]
        return heights / (_TINY + self.root(self.power(heights.flatten()[None, None]).squeeze()))
