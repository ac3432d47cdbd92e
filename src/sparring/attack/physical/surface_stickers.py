"""A few stickers on a thing in the world: their places and prints are learned over many views of it."""

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
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Differentiable, Target
from sparring.core.threat import ThreatModel
from sparring.domains.image.surface import OnSurface, Prints, paste

_CELLS = 20  # cells along the surface where importance is gathered
_KEPT = 0.97  # share of the allowed area that is used, so that rounding stays inside
_GAP = 1.6  # pixels that must lie between two stickers, so that they can be told apart
_ROUNDS = 3  # of moving and printing
_SHAPES = ((1.0, 0.0), (2.0, 0.0), (2.0, math.pi / 2))  # width / height, turn in radians


@dataclass(frozen=True)
class SurfaceStickers(Attack[Differentiable, Cases, OnSurface]):
    """A few printed rectangles, at one place on the surface for all its views.

    `prepare` learns them on views of the surface and returns the attack that holds them; running an attack that was
    not prepared learns them on the very views it attacks, which flatters it. First a faint print over the whole
    surface is learned, and where it grows strong is where stickers pay; then several sets of places each get a print
    by Adam, and the best set goes on alone: its stickers move a little at random and are printed further, in turn.

    Paper: Eykholt et al., 2018, arXiv:1707.08945, section 3 (stickers on a stop sign, places first, then prints).
    Differs: stickers are rectangles of equal area; place, pose and light come from the surface's own views instead of
    photographs; colours are free, and no printer's errors are allowed for.
    Cost: about `2 * steps` forwards and input-backwards for each of up to `views` cases learned from. Cost per case:
    2 forwards, one of them for the untouched case, and the cost of learning where `prepare` was not called.

    Args:
        views: cases learned from, at most.
        steps: gradient steps; a quarter finds places, and each set of places is tried for an eighth.
        sets: sets of places tried.
        step_size: Adam's, in shares of the box.
        cells: of the print, along each side of a sticker.
        prints: what was learned.

    Raises:
        InvalidSpec: for a number below 1 or a step_size that is not positive.
    """

    family = "patch"
    views: int = 64
    steps: int = 160
    sets: int = 4
    step_size: float = 0.08
    cells: int = 4
    prints: Prints | None = field(default=None, compare=False, repr=False, metadata=LEARNED)

    def __post_init__(self) -> None:
        if min(self.views, self.steps, self.sets, self.cells) < 1 or not self.step_size > 0:
            raise InvalidSpec(
                "SurfaceStickers needs views, steps, sets and cells of 1 or more and a positive step_size; "
                f"got {self.views}, {self.steps}, {self.sets}, {self.cells} and {self.step_size}."
            )

    def cost(self, target: Target) -> int:
        if self.prints is not None:
            return 2
        return 2 + self._early + self.sets * (self._brief + 1) + _ROUNDS * (self._brief + 2) + self.steps

    @property
    def _early(self) -> int:
        return max(1, self.steps // 4)

    @property
    def _brief(self) -> int:
        return max(1, self.steps // 8)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "SurfaceStickers":
        self.check(target, threat)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        block = target.place(cases[0 : self.views])
        return replace(self, prints=_Search(self, target, block, threat, Seed.of(seed)).run())  # type: ignore[arg-type]

    def search(self, target: Differentiable, cases: Cases, threat: OnSurface, seed: Seed) -> Attempts:
        ready = self if self.prints is not None else self.prepare(target, cases, threat, seed=seed)
        assert ready.prints is not None
        best = untouched_first(target, cases)
        alive = best.alive()
        if len(alive):
            block = cases[alive]
            views = threat.surface.views(block.ids, block.inputs.shape[1:])
            offer(target, cases.goals, best, alive, paste(block.inputs, views, ready.prints, threat.low, threat.high))
        return Attempts(best.inputs, best.found)


class _Search:
    """One search: where stickers pay, then what to print on them."""

    def __init__(
        self, attack: SurfaceStickers, target: Differentiable, cases: Cases, threat: OnSurface, seed: Seed
    ) -> None:
        self.attack, self.target, self.cases, self.threat = attack, target, cases, threat
        shape = cases.inputs.shape[1:]
        self.views = threat.surface.views(cases.ids, shape)
        self.points = self.views.coordinates(*shape[1:]).to(cases.inputs.device)
        step = self.points[:, 1:, 1:] - self.points[:, :-1, :-1]
        self.gap = _GAP * float(step.norm(dim=3).amax()) / math.sqrt(2)
        self.size = _KEPT * threat.area * threat.surface.area / threat.count / 4  # a quarter of one sticker's area
        self.generator = seed.child("surface stickers").generator()

    def run(self) -> Prints:
        importance = self._importance()
        tried = [
            self._print(self._places(importance, number), self.attack._brief) for number in range(self.attack.sets)
        ]
        best = max(tried, key=self._value)
        for _ in range(_ROUNDS):
            best = self._print(self._moved(best).places, -(-self.attack.steps // _ROUNDS), best.texture)
        return best

    def _moved(self, prints: Prints) -> Prints:
        """One sticker at a time shifted and turned at random, less and less; what helps is kept."""
        value = self._value(prints)
        for trial in range(self.attack._brief if len(prints.places) else 0):
            which = int(torch.randint(len(prints.places), (), generator=self.generator))
            reach = 0.02 + 0.2 * (1 - trial / self.attack._brief)
            places = prints.places.clone()
            places[which, [0, 1, 4]] += reach * torch.randn(3, generator=self.generator)
            moved = Prints(places, prints.texture)
            if self._allowed(places) and (now := self._value(moved)) > value:
                prints, value = moved, now
        return prints

    def _importance(self) -> Tensor:
        """How strong a faint print over the whole surface grows in each cell, shape (cell, cell)."""
        faint = torch.zeros(self.cases.inputs.shape[1], _CELLS, _CELLS).to(self.cases.inputs)
        span = self.threat.high - self.threat.low
        for _ in range(self.attack._early):
            with torch.enable_grad():
                leaf = faint.detach().requires_grad_()
                laid = functional.grid_sample(
                    leaf.expand(len(self.cases), *leaf.shape), self.points, align_corners=False
                )  # fmt: skip
                moved = (self.cases.inputs + laid).clamp(self.threat.low, self.threat.high)
                (slope,) = torch.autograd.grad(moved, leaf, self._gradient(moved.detach()))
            faint = faint + 0.2 * span * slope / slope.norm().clamp_min(1e-12)
        return faint.square().sum(0).cpu()

    def _places(self, importance: Tensor, number: int) -> Tensor:
        """Stickers one after the other where most importance lies under them, shape (sticker, 5).

        The first set follows importance alone; later ones weigh it by chance.
        """
        if number:
            chance = torch.rand(1, 1, 5, 5, generator=self.generator)
            importance = importance * functional.interpolate(chance, (_CELLS, _CELLS), mode="bilinear")[0, 0]
        chosen = torch.zeros(0, 5)
        axis = (torch.arange(_CELLS) + 0.5) / _CELLS * 2 - 1
        v, u = torch.meshgrid(axis, axis, indexing="ij")
        for _ in range(self.threat.count):
            best, gain = None, -math.inf
            for ratio, turn in _SHAPES:
                half = math.sqrt(self.size * ratio)
                wide, tall = (half, half / ratio) if turn == 0 else (half / ratio, half)
                reach = [max(1, round(side * _CELLS)) | 1 for side in (tall, wide)]
                padding = (reach[0] // 2, reach[1] // 2)
                under = functional.avg_pool2d(
                    importance[None, None], reach, 1, padding, count_include_pad=True
                )[0, 0]  # fmt: skip
                for place in under.flatten().argsort(descending=True).tolist():
                    if float(under.flatten()[place]) <= gain:
                        break
                    sticker = torch.tensor(
                        [float(u.flatten()[place]), float(v.flatten()[place]), half, half / ratio, turn]
                    )
                    if self._allowed(torch.cat([chosen, sticker[None]])):
                        best, gain = sticker, float(under.flatten()[place])
                        break
            if best is None or self.size <= 0:
                break
            chosen = torch.cat([chosen, best[None]])
        return chosen

    def _allowed(self, places: Tensor) -> bool:
        """Whether all stickers lie on the face and keep their distance."""
        signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        corners = signs[None] * places[:, None, 2:4]  # sticker, corner, 2
        cos, sin = places[:, 4].cos()[:, None], places[:, 4].sin()[:, None]
        x = cos * corners[..., 0] - sin * corners[..., 1] + places[:, :1]
        y = sin * corners[..., 0] + cos * corners[..., 1] + places[:, 1:2]
        if not bool(self.threat.surface.on_face(torch.stack([x, y], 2)).all()):
            return False
        reach = places[:, 2:4].norm(dim=1)
        apart = torch.cdist(places[:, :2], places[:, :2]) - reach[:, None] - reach[None]
        return bool((apart + torch.eye(len(places)) * 1e6 > self.gap).all())

    def _print(self, places: Tensor, steps: int, texture: Tensor | None = None) -> Prints:
        low, high, cells = self.threat.low, self.threat.high, self.attack.cells
        if texture is None:
            texture = torch.full((len(places), self.cases.inputs.shape[1], cells, cells), (low + high) / 2)
        if len(places) == 0:
            return Prints(places, texture)
        texture = texture.to(self.cases.inputs)
        adam = Adam(self.attack.step_size * (high - low), low, high)
        for step in range(steps):
            with torch.enable_grad():
                leaf = texture.detach().requires_grad_()
                stuck = self._paste(Prints(places, leaf))
                (slope,) = torch.autograd.grad(stuck, leaf, self._gradient(stuck.detach()))
            texture = adam.step(texture, slope, 1 - 0.9 * step / steps)
        return Prints(places, texture)

    def _paste(self, prints: Prints) -> Tensor:
        return paste(self.cases.inputs, self.views, prints, self.threat.low, self.threat.high, self.points)

    def _gradient(self, inputs: Tensor) -> Tensor:
        return self.target.gradient(inputs, self.cases.goals.loss).gradient / len(inputs)

    def _value(self, prints: Prints) -> float:
        """Mean goal loss over the views."""
        return float(self.cases.goals.loss(self.target(self._paste(prints))).mean())
