"""Generative adversarial training: a generator invents attacks, the classifier learns from them, and both go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sparring.attack.learned.adv_gan import shortfall
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.fit import Step
from sparring.core.opponent import Opponent
from sparring.core.panel import Panel
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.target import Target, Trainable
from sparring.core.training import Batch, Counts, Lesson, Training, right
from sparring.domains.image.exhibit import sheet
from sparring.domains.image.generators import Perturber, aims_of, attempts_of, check_images, seeded
from sparring.train.generative.signs import duel_signs

_BLOCK = 256
_SHOWN = 10  # cases in the report


@dataclass(frozen=True)
class GenerativeTraining(Training):
    """Two players take turns at every batch: the classifier learns from the generator's attempts, the generator from
    the gradient of the classifier's loss with respect to them.

    A part of each batch meets generators of the past, so that the classifier does not forget them. What each epoch
    showed stands in the history: the generator's success against the classifier of that epoch (`attacker_now`), against
    the first that was kept (`attacker_first`) and against all before it (`attacker_earlier`, a mean), the best past
    generator's success against the classifier (`attacker_past`), and how alike the changes of different cases are
    (`attacker_alike`, a cosine). Collapse and cycling are told.

    Paper: Lee et al., 2017, arXiv:1705.03387 (a generator that sees the gradient); Xiao et al., 2018,
    arXiv:1801.02610 (one that sees the image); the pool of past players is Shrivastava et al., 2017, arXiv:1612.07828,
    section 2.3, there of images.
    Differs: any norm; the loss is that of adversarial training alone, without a weight on untouched images; both
    players move in the same step, on one forward of the classifier; the generator's loss is a softplus of the margin,
    which does not vanish where the classifier is sure.
    Cost per case and epoch: 4 forwards, 2 more for each further turn, and 2 more where the generator sees the gradient;
    its own passes are not metered.

    Args:
        threat: what the generator may do.
        sees_gradient: it is shown the sign of the loss's gradient beside the image, and then it trains on the family
            `gradient` too.
        width: channels of its thinnest layer.
        pool: how many past generators the classifier goes on learning from; 0 for none.
        share: of each batch that meets past generators, where there are any.
        turns: of the generator for each of the classifier.
        generator: its optimiser and learning rate; its batches are the classifier's.
        snapshots: past players of each side that are kept to be measured against the present ones.

    Raises:
        InvalidSpec: for a threat of radius zero, or a setting outside its range.
    """

    threat: LpBall = field()
    sees_gradient: bool = False
    width: int = 8
    pool: int = 5
    share: float = 0.5
    turns: int = 2
    generator: Schedule = Schedule(
        optimiser="adamw", peak=5e-3, shape="constant", warmup=0.02, weight_decay=0.0, clip=10.0
    )
    snapshots: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.width, self.snapshots, self.turns) < 1 or self.pool < 0 or not 0 <= self.share < 1:
            raise InvalidSpec(
                "GenerativeTraining needs width, snapshots and turns of 1 or more, a pool of 0 or more and a share in [0, 1); "
                f"got {self.width}, {self.snapshots}, {self.turns}, {self.pool} and {self.share}."
            )

    @property
    def families(self) -> tuple[str, ...]:
        return ("generator", "gradient") if self.sees_gradient else ("generator",)

    def check(self, target: Target, data: Cases) -> None:
        super().check(target, data)
        if not isinstance(self.threat, LpBall):
            raise Incompatible(f"{self.name} needs an LpBall threat; got {type(self.threat).__name__}.")
        refuse_nothing_to_do(self.threat, self.name)
        check_images(data.inputs, self.name)

    def lesson(self, student: Trainable, data: Cases, seed: Seed) -> Lesson:
        return Duel(self, student, data, seed)

    def signs(self, history: Sequence[dict[str, float]]) -> tuple[str, ...]:
        return duel_signs(history, self.pool)


class Duel(Lesson):
    """A classifier and a generator at work on each other."""

    how: GenerativeTraining  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        how, student = self.how, self.student
        first = self.held.inputs if len(self.held) else student.place(self.data[0:1]).inputs
        self.channels, self.device = first.shape[1], first.device
        self.current = self._net(self.seed.child("generator"))
        self.player = Opponent(self.current, how.generator, f"{how.name}'s generator")
        self.generators: list[dict[str, Tensor]] = []
        self.classifiers: list[dict[str, Tensor]] = []
        self.past: list[Perturber] = []  # all that are kept; the classifier learns from the latest `pool` of them
        self.mirror = student.copy()
        self.written: Tensor | None = None
        self.epochs_seen = 0

    def perturb(self, batch: Batch) -> Tensor:
        """The current generator's attempts, and past generators' on a share of the batch; they collect a gradient."""
        aims, hints = aims_of(batch.goals), self._hints(batch.student, batch)
        self.hints = hints  # the classifier stands still until all turns are over, so they serve each of them
        self.written = attempts_of(self.current, batch.inputs, aims, batch.threat, hints)
        moved = self.written.detach().clone()
        self.old = torch.zeros(len(aims), dtype=torch.bool, device=moved.device)
        pool = self.past[-self.how.pool :] if self.how.pool else []
        if pool:
            self.old = batch.stream.uniform((), at=1) < self.how.share
            chosen = batch.stream.integers(len(pool), at=2)
            for number, net in enumerate(pool):
                rows = (self.old & (chosen == number)).nonzero().squeeze(1)
                if len(rows):
                    with torch.no_grad():
                        shown = None if hints is None else hints[rows]
                        moved[rows] = attempts_of(net, batch.inputs[rows], aims[rows], batch.threat, shown)
        return moved.requires_grad_()

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        """The classifier's loss; on the way, the slope that the generator climbs from the same answers."""
        outputs = batch.answer(moved)
        short = shortfall(batch.goals)(outputs)
        (self.uphill,) = torch.autograd.grad(short.sum(), moved, retain_graph=True)
        batch.student.meter.input_backwards += len(moved)
        return self.how.entropy(outputs, batch.labels), {"robust": right(outputs, batch.labels)}

    def after(self, batch: Batch, moved: Tensor, step: Step) -> None:
        """The generator learns from how its attempts were answered, and from more of them where it has more turns."""
        assert self.written is not None
        fresh = ~self.old.reshape(-1, *[1] * (moved.ndim - 1))
        self.written.backward(-self.uphill * fresh / len(moved))
        self.player.step(step.done)
        for _ in range(self.how.turns - 1):
            written = attempts_of(self.current, batch.inputs, aims_of(batch.goals), batch.threat, self.hints)
            uphill = batch.student.gradient(written.detach(), shortfall(batch.goals)).gradient
            written.backward(-uphill / len(moved))
            self.player.step(step.done)
        self.written = None

    def validate(self) -> dict[str, float]:
        if not len(self.held):
            return {}
        before = dict(vars(self.student.meter))
        figures = super().validate() | self._duels()
        vars(self.student.meter).update(before)
        self._remember()
        return figures

    def panels(self) -> tuple[Panel, ...]:
        """Held cases, the last generator's attempts on them, and what it changed."""
        cases = self.held[:_SHOWN]
        if not len(cases):
            return ()
        attempts = self._attempts(self.current, self.student, cases)
        change = attempts - cases.inputs
        shown = 0.5 + change / (2 * change.abs().amax().clamp_min(1e-9))
        page = torch.cat([cases.inputs, attempts, shown])
        return (Panel("untouched; what the generator made of it; the change, enlarged", png=sheet(page, len(cases))),)

    def state(self) -> dict[str, Any]:
        mine = {
            "player": self.player.state(), "generators": self.generators, "classifiers": self.classifiers,
            "epochs": self.epochs_seen,
        }  # fmt: skip
        return {**super().state(), "duel": mine}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        mine = state["duel"]
        self.player.restore(mine["player"])
        self.generators, self.classifiers = mine["generators"], mine["classifiers"]
        self.epochs_seen = mine["epochs"]
        self.past = [self._net(Seed(0), weights) for weights in self.generators]

    def _remember(self) -> None:
        """Keeps this epoch's players, evenly spaced over the training; the oldest generator makes room."""
        self.epochs_seen += 1
        if self.epochs_seen % max(1, self.how.epochs // (self.how.snapshots + 1)):
            return
        self.classifiers.append({key: value.detach().clone() for key, value in self.module.state_dict().items()})
        self.generators.append({key: value.detach().clone() for key, value in self.current.state_dict().items()})
        self.generators = self.generators[-max(self.how.pool, self.how.snapshots) :]
        self.past = [self._net(Seed(0), weights) for weights in self.generators]

    def _duels(self) -> dict[str, float]:
        """Who beats whom, on the cases held back."""
        figures = {"attacker_now": self._success(self.current, self.student)}
        if self.classifiers:
            earlier = []
            for weights in self.classifiers:
                self.mirror.module.load_state_dict(weights)
                earlier.append(self._success(self.current, self.mirror))
            figures |= {"attacker_first": earlier[0], "attacker_earlier": sum(earlier) / len(earlier)}
        if self.past:
            figures["attacker_past"] = max(self._success(net, self.student) for net in self.past)
        figures["attacker_alike"] = self._alike()
        return figures

    def _success(self, net: Perturber, target: Trainable) -> float:
        """Share of the held cases that are right untouched and broken by the generator's attempt."""
        right = broken = 0
        for cases in self.held.blocks(_BLOCK):
            fine = ~cases.goals.reached(target(cases.inputs))
            found = cases.goals.reached(target(self._attempts(net, target, cases)))
            right, broken = right + int(fine.sum()), broken + int((fine & found).sum())
        return broken / max(1, right)

    def _alike(self) -> float:
        """Mean cosine between the changes of cases that stand side by side."""
        cases = self.held[: min(_BLOCK, len(self.held))]
        change = (self._attempts(self.current, self.student, cases) - cases.inputs).flatten(1)
        return float(torch.cosine_similarity(change[1:], change[:-1]).mean()) if len(change) > 1 else 0.0

    def _attempts(self, net: Perturber, target: Trainable, cases: Cases) -> Tensor:
        hints = self._hints(target, cases)
        with torch.no_grad():
            return attempts_of(net, cases.inputs, aims_of(cases.goals), self.how.threat, hints)

    def _hints(self, target: Trainable, cases: Any) -> Tensor | None:
        """The sign of the loss's gradient, as an image, where the generator may see it."""
        if not self.how.sees_gradient:
            return None
        return (target.gradient(cases.inputs, cases.goals.loss).gradient.sign() + 1) / 2

    def _net(self, seed: Seed, weights: dict[str, Tensor] | None = None) -> Perturber:
        how = self.how
        hints = self.channels if how.sees_gradient else 0
        classes = self.student.classes  # type: ignore[attr-defined]
        net = seeded(seed, lambda: Perturber(self.channels, classes, how.width, how.threat.norm, hints))
        if weights is not None:
            net.load_state_dict(weights)
        return net.to(self.device)


def refuse_nothing_to_do(threat: LpBall, owner: str) -> None:
    """Raises InvalidSpec for a threat of radius zero, at which there is nothing to learn against."""
    if not bool((torch.as_tensor(threat.radius) > 0).all()):
        raise InvalidSpec(
            f"{owner} needs a threat with a radius above zero, for at zero there is nothing to attack with; got "
            f"{threat.describe()}. Use plain.standard, or name a radius."
        )
