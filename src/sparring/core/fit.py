"""The one optimisation loop for whatever learns: seed, schedule, checkpoint, resume, progress, validation."""

import contextlib
import io
import math
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring.core.errors import Diverged, InvalidSpec, RunMismatch, SparringError
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed

_LOOK_EVERY = 32  # steps between two looks at the loss: each look waits for the device
_FILE = "training.pt"


@dataclass(frozen=True)
class Step:
    """Where a training stands as it takes one optimiser step.

    Args:
        number: optimiser steps taken before.
        epoch: passes over the data completed before.
        done: share of the training that lies behind, in [0, 1).
        index: positions of the batch's cases, int64, shape (batch,).
        seed: of this step alone, so that nothing depends on interruptions.
    """

    number: int
    epoch: int
    done: float
    index: Tensor
    seed: Seed


class Learner(ABC):
    """Whatever learns: its weights, the loss of one batch, and how good it is now.

    Args:
        module: the weights.
        size: training cases.
        repeats: optimiser steps on each batch before the next one.
    """

    module: nn.Module
    size: int
    repeats: int = 1

    @abstractmethod
    def backward(self, step: Step) -> dict[str, Tensor]:
        """Adds the batch's gradients to the weights' `.grad`.

        Returns sums over the batch, each a number in a tensor, with the loss under "loss".
        """

    def validate(self) -> dict[str, float]:
        """Figures of the weights as they are now; the best epoch has the largest "score". Empty for no choice."""
        return {}

    def average(self, step: int, total: int, per_epoch: int) -> float:
        """How far the averaged weights go towards the weights after a step: 0 not at all, 1 all the way."""
        return 0.0

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, beside the weights, that a checkpoint must hold."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""


@dataclass
class Fitted:
    """What a training leaves behind, beside the weights in the learner's module.

    Args:
        history: one row per epoch: loss and other means over the epoch, figures of the validation, seconds so far.
        best: the epoch whose weights were kept, from 0.
        seconds: of work, over all interruptions.
    """

    history: list[dict[str, float]]
    best: int
    seconds: float


def fit(
    learner: Learner,
    *,
    epochs: int,
    schedule: Schedule = Schedule(),
    seed: Seed = Seed(0),
    folder: Path | None = None,
    asked: dict[str, Any] | None = None,
    progress: Progress = Silent(),
    name: str = "training",
    save_every: float = 60.0,
) -> Fitted:
    """Trains; the module ends with the weights of the best epoch (the last one where nothing was validated).

    Dropout and the like draw from a seed of each step; the global generators come back as they were. Cases are
    dealt anew each epoch into batches of nearly equal size, so that none is left out and none is tiny.

    Args:
        folder: for `training.pt` (where a killed training goes on), and at the end `best.pt` and `last.pt`, state
            dicts. None keeps nothing.
        asked: everything that decides the result, as plain data; a checkpoint of anything else is refused.
        save_every: seconds between checkpoints, beside the one at the end of each epoch.

    Raises:
        RunMismatch: if the folder holds a training that was asked for something else.
        Diverged: if the loss or a weight stops being finite.
        KeyboardInterrupt: after Ctrl-C, when the step in hand is done and saved.
    """
    if epochs < 1:
        raise InvalidSpec(f"a training needs 1 epoch or more; got {epochs}.")
    run = _Run(learner, epochs, schedule, seed, folder, asked or {}, progress, name, save_every)
    with torch.random.fork_rng(devices=_cuda_devices(learner.module)), _deferred_interrupt() as interrupted:
        run.train(interrupted)
    return Fitted(run.history, run.best_epoch, run.seconds)


@dataclass
class _Run:
    """One training in progress; every field below the line is in the checkpoint."""

    learner: Learner
    epochs: int
    schedule: Schedule
    seed: Seed
    folder: Path | None
    asked: dict[str, Any]
    progress: Progress
    name: str
    save_every: float
    # ---
    number: int = 0
    seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    averaged: dict[str, Tensor] | None = None
    best: dict[str, Tensor] | None = None
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = -1

    def __post_init__(self) -> None:
        self.module = self.learner.module
        self.batches = max(1, math.ceil(self.learner.size / self.schedule.batch))
        self.per_epoch = self.batches * self.learner.repeats
        self.total = self.per_epoch * self.epochs
        self.optimiser = self.schedule.optimiser_of(self.module)
        # torch.manual_seed would format a traceback for every device that is not there, at each step.
        devices = _cuda_devices(self.module)
        self._generators = [torch.default_generator, *(torch.cuda.default_generators[number] for number in devices)]

    def train(self, interrupted: list[int]) -> None:
        self._resume()
        self.progress.start(self.name, self.total)
        if self.number:
            self.progress.advance(self.name, self.number)
        self._clock = self._saved_at = time.monotonic()
        while self.number < self.total:
            for index in self._rest_of_epoch():
                self._step(index)
                if self.number % _LOOK_EVERY == 0:
                    self._look()
                last = self.number % self.per_epoch == 0
                if last:
                    self._end_epoch()
                self.progress.advance(self.name, note=self._note() if last else "")
                if last or interrupted or time.monotonic() - self._saved_at > self.save_every:
                    self._save()
                if interrupted:
                    raise KeyboardInterrupt(self._how_to_resume())
        self._finish()

    def _step(self, index: Tensor) -> None:
        epoch, place = divmod(self.number, self.per_epoch)
        seed = self.seed.child("step", epoch, place)
        for generator in self._generators:
            generator.manual_seed(seed.value)
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate((self.number + 1) / self.total)
        self.optimiser.zero_grad()
        step = Step(self.number, epoch, self.number / self.total, index, seed)
        for key, value in self.learner.backward(step).items():
            self.sums[key] = self.sums[key] + value.detach() if key in self.sums else value.detach()
        if self.schedule.clip is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.clip)
        self.optimiser.step()
        self.number += 1
        self._average()

    @torch.no_grad()
    def _average(self) -> None:
        share = self.learner.average(self.number, self.total, self.per_epoch)
        if share <= 0:
            return
        now = self.module.state_dict()
        if self.averaged is None:
            self.averaged = {key: value.detach().clone() for key, value in now.items()}
            return
        real = [key for key, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.averaged[key] for key in real], [now[key] for key in real], share)
        for key in now.keys() - set(real):
            self.averaged[key].copy_(now[key])

    def _end_epoch(self) -> None:
        self._look()
        seen = self.learner.size * self.learner.repeats
        row = {"epoch": float(self.number // self.per_epoch - 1)}
        row |= {key: float(value) / seen for key, value in self.sums.items()}
        with self._candidate():
            figures = self.learner.validate()
            score = (figures.pop("score", -math.inf), figures.pop("tie", 0.0))
            if score >= self.best_score:
                self.best = _copied(self.module.state_dict())
                self.best_score, self.best_epoch = score, int(row["epoch"])
        self._tick()
        self.history.append(row | figures | {"seconds": self.seconds})
        self.sums = {}

    @contextlib.contextmanager
    def _candidate(self) -> Iterator[None]:
        """The module holds the averaged weights inside, where there are any, and its own again after."""
        if self.averaged is None:
            yield
            return
        own = _copied(self.module.state_dict())
        self.module.load_state_dict(self.averaged)
        try:
            yield
        finally:
            self.module.load_state_dict(own)

    def _look(self) -> None:
        finite = all(math.isfinite(float(value)) for value in self.sums.values())
        if finite:
            with torch.no_grad():
                weights = [weight for weight in self.module.parameters() if weight.is_floating_point()]
                finite = not weights or math.isfinite(float(torch.stack([w.float().sum() for w in weights]).sum()))
        if not finite:
            kept = f" The last good state is {self._path()}." if self.folder and self._path().exists() else ""
            raise Diverged(
                f"{self.name}: the loss stopped being finite in epoch {(self.number - 1) // self.per_epoch + 1}. Lower "
                f"the schedule's peak (now {self.schedule.peak:g}) or set its clip (now {self.schedule.clip}).{kept}"
            )

    def _rest_of_epoch(self) -> Iterator[Tensor]:
        epoch, place = divmod(self.number, self.per_epoch)
        order = self.seed.child("epoch", epoch).numpy().permutation(self.learner.size)
        dealt = np.array_split(order, self.batches)
        for position in range(place, self.per_epoch):
            yield torch.from_numpy(dealt[position // self.learner.repeats])

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._clock
        self._clock = now

    def _note(self) -> str:
        row = self.history[-1]
        shown = {"loss": "loss {:.3f}", "val_clean": "clean {:.1%}", "val_robust": "robust {:.1%}"}
        return ", ".join(text.format(row[key]) for key, text in shown.items() if key in row)

    def _path(self) -> Path:
        assert self.folder is not None
        return self.folder / _FILE

    def _how_to_resume(self) -> str:
        at = f"{self.name} stopped after step {self.number} of {self.total}"
        if self.folder is None:
            return f"{at}; nothing is kept, for no workspace was named."
        return f"{at}; the state is in {self._path()}. Start the same training with the same workspace to go on."

    def _save(self) -> None:
        if self.folder is None:
            return
        self._look()
        self._tick()
        state = {
            "asked": self.asked,
            "number": self.number,
            "seconds": self.seconds,
            "sums": self.sums,
            "history": self.history,
            "averaged": self.averaged,
            "best": self.best,
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "weights": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "learner": self.learner.state(),
        }
        write(self._path(), state)
        self._saved_at = time.monotonic()

    def _resume(self) -> None:
        if self.folder is None or not self._path().exists():
            return
        device = next((weight.device for weight in self.module.parameters()), torch.device("cpu"))
        state = torch.load(self._path(), map_location=device, weights_only=True)
        _refuse_another(state["asked"], self.asked, self.folder)
        self.module.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.learner.restore(state["learner"])
        for key in ("number", "seconds", "sums", "history", "averaged", "best", "best_score", "best_epoch"):
            setattr(self, key, state[key])

    def _finish(self) -> None:
        if self.folder is not None:
            with self._candidate():
                write(self.folder / "last.pt", self.module.state_dict())
            write(self.folder / "best.pt", self.best)
        assert self.best is not None
        self.module.load_state_dict(self.best)
        self.module.zero_grad()


def write(path: Path, state: Any) -> None:
    """Writes a torch file whole or not at all: to a neighbour first, then renamed.

    Raises:
        SparringError: if the disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise SparringError(
            f"cannot write {path}: {error.strerror or error}. Make room or choose another workspace, then start the "
            "same training again; it goes on from the last state that was written."
        ) from error


def _refuse_another(stored: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    differing = [key for key in sorted(stored.keys() | asked.keys()) if stored.get(key) != asked.get(key)]
    if differing:
        changes = "; ".join(f"{key} was {stored.get(key)!r}, now {asked.get(key)!r}" for key in differing)
        raise RunMismatch(
            f"{folder} holds a training that was asked for something else: {changes}. "
            "Ask for the same, or choose another workspace."
        )


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in state.items()}


def _cuda_devices(module: nn.Module) -> list[int]:
    return sorted({weight.device.index or 0 for weight in module.parameters() if weight.is_cuda})


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[list[int]]:
    """Collects Ctrl-C, so that the step in hand is finished and saved; the second one stops at once."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)
