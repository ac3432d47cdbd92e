"""Defences that train a classifier's weights: what they share, and the parts that combine with any of them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparring.core import overfitting
from sparring.core.attack import InnerAttack
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.fit import Learner, Step, fit
from sparring.core.goal import Goals
from sparring.core.panel import Panel
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed, Stream
from sparring.core.spec import to_spec
from sparring.core.target import Hardening, Target, Trainable, check_size
from sparring.core.threat import Projectable, ThreatModel
from sparring.core.validation import Validation

Counts = dict[str, Tensor]


class Part:
    """Something that combines with any training. Each part overrides the one hook that it is about."""

    def augment(self, inputs: Tensor, stream: Stream) -> Tensor:
        """Other inputs of the same shape and labels, before any attack sees them; never in place."""
        return inputs

    def radius(self, done: float) -> float:
        """Share of the threat's radius to train at, when this share of the training lies behind."""
        return 1.0

    def average(self, step: int, total: int, per_epoch: int) -> float:
        """How far averaged weights go towards the weights after a step (see `Learner.average`)."""
        return 0.0

    def backward(self, module: nn.Module, backward: Callable[[], Counts], done: float) -> Counts:
        """Leaves in `.grad` what `backward()` puts there, or something better."""
        return backward()


@dataclass
class Batch:
    """One batch in a training step.

    Args:
        student: the target that learns.
        inputs: after augmentation, before any attack, shape (batch, ...).
        goals: what the adversary wants.
        labels: int64, shape (batch,).
        threat: what the adversary may do, at the radius of this step; None where nobody attacks.
        stream: random numbers of each case at this step.
        index: int64, shape (batch,): where these cases stand among the `size` that are learned from.
        size: how many cases are learned from.
        memory: tensors that a training carries from step to step; they go into checkpoints.
        ids: of these cases.
    """

    student: Trainable
    inputs: Tensor
    goals: Goals
    labels: Tensor
    threat: Any
    stream: Stream
    index: Tensor
    size: int
    memory: dict[str, Tensor]
    ids: Sequence[str] = ()

    def answer(self, inputs: Tensor) -> Tensor:
        """Logits with a graph behind them, shape (batch, class), metered."""
        outputs = self.student.forward(inputs)
        self.student.meter.forwards += len(inputs)
        check_size(self.student, inputs, outputs)
        return outputs


@dataclass(frozen=True, kw_only=True)
class Training(Defence):
    """Base of the trainings. Subclasses say how a batch is attacked and what the loss is.

    The order of the cases, every random number and so the result depend on the seed alone, not on interruptions.
    The attack inside a step runs in evaluation mode, the loss in training mode.

    Args:
        epochs: passes over the data.
        schedule: optimiser, batch size, learning rate.
        parts: augmentation, weight averaging, weight perturbation, radius ramp: any of `train/parts`.
        validation: what is held back from `data` by id, and how robustness is checked on it after each epoch.
        label_smoothing: share of each label's mass that is spread over all classes.
    """

    epochs: int = 30
    schedule: Schedule = Schedule()
    parts: tuple[Part, ...] = ()
    validation: Validation = Validation()
    label_smoothing: float = 0.0

    needs_target = Trainable

    # Not fields: trainings that attack declare their own.
    if TYPE_CHECKING:

        @property
        def attack(self) -> Any: ...

        @property
        def threat(self) -> Any: ...

    else:
        attack = threat = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        if self.epochs < 1:
            raise InvalidSpec(f"a training needs 1 epoch or more; got {self.epochs}.")
        if not 0 <= self.label_smoothing < 1:
            raise InvalidSpec(f"label_smoothing lies in [0, 1); got {self.label_smoothing}.")
        strangers = [part for part in self.parts if not isinstance(part, Part)]
        if strangers:
            raise InvalidSpec(f"parts must be parts of a training, such as EMA(); got {strangers[0]!r}.")
        averaging = [part for part in self.parts if type(part).average is not Part.average]
        if len(averaging) > 1:
            raise InvalidSpec(f"a training takes one weight average; got {', '.join(map(repr, averaging))}.")

    def perturb(self, batch: Batch) -> Tensor:
        """The inputs to learn from, inside the threat set around `batch.inputs`, detached."""
        return batch.inputs

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        """Mean loss of the batch, and how many cases were classified right ("clean", "robust")."""
        outputs = batch.answer(moved)
        return self.entropy(outputs, batch.labels), {self._seen_as(): right(outputs, batch.labels)}

    def after(self, batch: Batch, moved: Tensor) -> None:
        """Called when the gradients of the batch are there."""

    def lesson(self, student: Trainable, data: Cases, seed: Seed) -> "Lesson":
        """The training at work; one with a second player brings a lesson of its own."""
        return Lesson(self, student, data, seed)

    def signs(self, history: Sequence[dict[str, float]]) -> tuple[str, ...]:
        """What the history shows that a user should know, one sentence each."""
        return ()

    def figures(self, student: Trainable, held: Cases, seed: Seed) -> dict[str, float]:
        """What validation says of the weights after an epoch; the best "score" is kept, and "tie" breaks ties."""
        return self.validation.figures(student, held, self.threat, seed, self.attack)

    @property
    def families(self) -> tuple[str, ...]:
        """That of the attack inside a step; a step that is the training's own is a gradient attack."""
        if self.attack is not None:
            return (self.attack.family,)
        return ("gradient",) if self.threat is not None else ()

    @property
    def repeats(self) -> int:
        """Optimiser steps on each batch before the next one."""
        return 1

    def entropy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy. Unlike an attacker's it is left to saturate: a confident case has nothing to teach."""
        return functional.cross_entropy(outputs, labels, label_smoothing=self.label_smoothing)

    def check(self, target: Target, data: Cases) -> None:
        """Raises Incompatible, InvalidSpec or InvalidCases before any work is done."""
        if not isinstance(target, Trainable):
            raise Incompatible(
                f"{self.name} needs a Trainable target, whose weights can change; got {type(target).__name__}. "
                "Wrap a torch module in Classifier."
            )
        if not isinstance(getattr(data.goals, "labels", None), Tensor):
            raise Incompatible(f"{self.name} needs cases with labels; got goals of {type(data.goals).__name__}.")
        if self.attack is not None:
            if not isinstance(self.attack, InnerAttack):
                raise Incompatible(
                    f"{self.name} needs an attack that can serve inside a training step, such as PGD; "
                    f"got {type(self.attack).__name__}."
                )
            self.attack.check(target, self.threat)
        elif self.threat is not None and not isinstance(self.threat, Projectable):
            raise Incompatible(f"{self.name} needs a Projectable threat; got {type(self.threat).__name__}.")
        if len(data) == 0:
            raise InvalidCases("there are no cases to learn from. Pass at least one input and its label.")

    def refuse(self, target: Target, data: Cases) -> None:
        self.check(target, data)

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | str | None = None,
        progress: Progress = Silent(),
    ) -> Target:
        """A trained copy, at the epoch that did best on validation.

        Raises:
            Incompatible: if the target cannot learn, or the attack and the threat do not fit.
            RunMismatch: if the workspace holds another training.
            Diverged: if the loss stops being finite.
        """
        self.check(target, data)
        student = target.copy()
        lesson = self.lesson(student, data, Seed.of(seed))
        folder = Path(workspace) if workspace is not None else None
        fitted = fit(
            lesson,
            epochs=max(1, self.epochs // self.repeats),
            schedule=self.schedule,
            seed=lesson.seed,
            folder=folder,
            asked=self._asked(target, data, lesson.seed) if folder else {},
            progress=progress,
            name=f"train {self.name}",
        )
        notes = (
            *overfitting.notes(fitted.history, fitted.best),
            *self.signs(fitted.history),
            f"kept epoch {fitted.best + 1} of {len(fitted.history)}",
        )
        step = Hardening(
            self.name, self.families, fitted.seconds, student.meter.cost, notes, tuple(fitted.history), lesson.panels()
        )  # fmt: skip
        student.lineage = (*target.lineage, step)
        student.meter.forwards = student.meter.input_backwards = student.meter.weight_backwards = 0
        return student

    def _asked(self, target: Target, data: Cases, seed: Seed) -> dict[str, Any]:
        spec = to_spec(self)
        return {**spec, "seed": seed.value, "target": target.fingerprint(), "cases": fingerprint(data)}

    def _seen_as(self) -> str:
        return "clean" if self.threat is None else "robust"


@dataclass
class Lesson(Learner):
    """A training at work on its student (see `Learner`)."""

    how: Training
    student: Trainable
    data: Cases
    seed: Seed
    memory: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        train, held = self.how.validation.split(self.data)
        self.module, self.size, self.repeats = self.student.module, len(train), self.how.repeats
        in_memory = isinstance(train.inputs, Tensor | np.ndarray) and not isinstance(train.inputs, np.memmap)
        self.train = self.student.place(train) if in_memory else train
        self._placed = in_memory
        self.held = self.student.place(held)
        for cases in (self.train, self.held) if in_memory else (self.held,):
            _check_cases(self.student, cases, self.how.threat)
        # Hashing an id costs a microsecond, so it is done once; each step derives its own streams from these.
        self.streams = self.seed.child("cases").stream(train.ids, getattr(self.student, "device", "cpu"))

    def backward(self, step: Step) -> Counts:
        cases = self.train[step.index]
        if not self._placed:
            cases = self.student.place(cases)
            _check_cases(self.student, cases, self.how.threat)
        stream = self.streams[step.index.to(self.streams.keys.device)].child(step.seed)
        inputs = cases.inputs
        for number, part in enumerate(self.how.parts):
            inputs = part.augment(inputs, stream.child(Seed(number + 1)))
        threat = self._threat(step.done)
        batch = Batch(
            self.student, inputs, cases.goals, cases.goals.labels, threat, stream, step.index, self.size, self.memory,
            cases.ids,
        )  # fmt: skip
        moved = self.perturb(batch)

        def backward() -> Counts:
            meter = self.student.meter
            before = meter.forwards
            with self.student.training():
                loss, counts = self.loss(batch, moved)
                loss.backward()
            meter.weight_backwards += meter.forwards - before
            return {"loss": loss.detach() * len(inputs), **{f"train_{key}": n for key, n in counts.items()}}

        for part in self.how.parts:
            backward = _bound(part, self.module, backward, step.done)
        counts = backward()
        self.after(batch, moved, step)
        return counts

    def perturb(self, batch: Batch) -> Tensor:
        return self.how.perturb(batch)

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        return self.how.loss(batch, moved)

    def after(self, batch: Batch, moved: Tensor, step: Step) -> None:
        self.how.after(batch, moved)

    def panels(self) -> tuple[Panel, ...]:
        """Pictures for the report of what was learned beside the weights; none by default."""
        return ()

    def average(self, step: int, total: int, per_epoch: int) -> float:
        return max((part.average(step, total, per_epoch) for part in self.how.parts), default=0.0)

    def validate(self) -> dict[str, float]:
        if len(self.held) == 0:
            return {}
        before = replace(self.student.meter)
        seed = self.seed.child("validation")
        figures = self.how.figures(self.student, self.held, seed)
        vars(self.student.meter).update(vars(before))  # what a training cost is told without its validation
        return figures

    def state(self) -> dict[str, Any]:
        return {"memory": self.memory, "meter": dict(vars(self.student.meter))}

    def restore(self, state: dict[str, Any]) -> None:
        self.memory.update(state["memory"])
        vars(self.student.meter).update(state["meter"])

    def _threat(self, done: float) -> Any:
        threat = self.how.threat
        share = min((part.radius(done) for part in self.how.parts), default=1.0)
        if share == 1.0 or threat is None:
            return threat
        if not isinstance(threat, Projectable):
            raise Incompatible(f"a radius ramp needs a Projectable threat; got {type(threat).__name__}.")
        return threat.scaled(threat.radius * share)


def right(outputs: Tensor, labels: Tensor) -> Tensor:
    """How many are classified right, as a tensor, so that nobody waits for the device."""
    return (outputs.detach().argmax(1) == labels).sum()


def fingerprint(data: Cases) -> str:
    """Digest of ids, labels and inputs; inputs that are read lazily count by their ids alone."""
    hashed = hashlib.blake2b("\n".join(data.ids).encode(), digest_size=8)
    hashed.update(data.goals.labels.cpu().numpy().tobytes())
    if isinstance(data.inputs, Tensor | np.ndarray) and not isinstance(data.inputs, np.memmap):
        inputs = data.inputs.cpu().numpy() if isinstance(data.inputs, Tensor) else data.inputs
        hashed.update(np.ascontiguousarray(inputs).data.cast("B"))
    return hashed.hexdigest()


def _check_cases(student: Trainable, cases: Cases, threat: ThreatModel | None) -> None:
    student.check(cases)
    if threat is not None:
        threat.check(cases)
    elif not bool(torch.isfinite(cases.inputs).all()):
        bad = int((~torch.isfinite(cases.inputs).flatten(1).all(1)).nonzero()[0])
        raise InvalidCases(f"inputs must be finite; case {cases.ids[bad]} holds NaN or infinity. Clean the data.")


def _bound(part: Part, module: nn.Module, backward: Callable[[], Counts], done: float) -> Callable[[], Counts]:
    return lambda: part.backward(module, backward, done)
