"""How an optimisation goes: optimiser, batch size, and the learning rate over time."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sparring.core.errors import InvalidSpec

_SHAPES = ("one-cycle", "cosine", "piecewise", "constant")


@dataclass(frozen=True)
class Schedule:
    """Optimiser and learning rate; weight decay spares biases and normalisation.

    Args:
        batch: cases per step.
        optimiser: "sgd" (with Nesterov momentum) or "adamw".
        peak: largest learning rate.
        shape: after the warm-up, "one-cycle" falls linearly to zero (Smith, 2018, arXiv:1803.09820), "cosine" along a
            half cosine; "piecewise" divides by ten at half and at three quarters of the training; "constant" stays.
        warmup: share of the training in which the rate rises linearly to the peak.
        momentum: of SGD, or the first beta of AdamW.
        nesterov: SGD looks ahead.
        weight_decay: per step, times the learning rate.
        clip: largest norm of all gradients together; None for no limit.

    Raises:
        InvalidSpec: for an unknown optimiser or shape, or a number outside its range.
    """

    batch: int = 128
    optimiser: str = "sgd"
    peak: float = 0.05
    shape: str = "cosine"
    warmup: float = 0.15
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.optimiser not in ("sgd", "adamw"):
            raise InvalidSpec(f"optimiser must be sgd or adamw; got {self.optimiser!r}.")
        if self.shape not in _SHAPES:
            raise InvalidSpec(f"a schedule's shape must be one of {', '.join(_SHAPES)}; got {self.shape!r}.")
        if self.batch < 1 or not self.peak > 0:
            raise InvalidSpec(f"a schedule needs a positive batch and peak; got {self.batch} and {self.peak}.")
        if not 0 <= self.warmup < 1 or not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise InvalidSpec(
                "warmup and momentum lie in [0, 1) and weight_decay is not negative; "
                f"got {self.warmup}, {self.momentum} and {self.weight_decay}."
            )
        if self.clip is not None and not self.clip > 0:
            raise InvalidSpec(f"clip must be positive, or None for no limit; got {self.clip}.")

    def rate(self, done: float) -> float:
        """Learning rate when this share of the training is done, in (0, 1]."""
        if done < self.warmup:
            return self.peak * done / self.warmup
        rest = (done - self.warmup) / (1 - self.warmup)
        if self.shape == "one-cycle":
            return self.peak * (1 - rest)
        if self.shape == "cosine":
            return self.peak * (1 + math.cos(math.pi * rest)) / 2
        if self.shape == "piecewise":
            return self.peak * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
        return self.peak

    def optimiser_of(self, module: nn.Module) -> torch.optim.Optimizer:
        """A new optimiser of the module's weights."""
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        if not weights:
            raise InvalidSpec("there is nothing to train: no weight of the module requires a gradient.")
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        fused = all(weight.device.type in ("cpu", "cuda") for weight in weights)
        if self.optimiser == "adamw":
            return torch.optim.AdamW(groups, lr=self.peak, betas=(self.momentum, 0.98), fused=fused)
        nesterov = self.nesterov and self.momentum > 0
        return torch.optim.SGD(groups, lr=self.peak, momentum=self.momentum, nesterov=nesterov, fused=fused)
