"""How a detector learns: untouched images beside the attempts on them, and the net that tells them apart."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.fit import Learner, Step
from sparring.core.seed import Seed
from sparring.domains.image.generators import Critic, seeded
from sparring.domains.image.guarded import Guarded, auroc

_BLOCK = 256


@dataclass
class Spent:
    """What the attempts cost that a detector learned from: seconds, and forwards of the target (see `Meter.cost`)."""

    seconds: float
    forwards: int


@dataclass(frozen=True)
class Shown:
    """Images in the same order, all of shape (case, channel, height, width).

    Args:
        untouched: as they are.
        attempts: of each attack.
    """

    untouched: Tensor
    attempts: Sequence[Tensor]

    def moved(self) -> list[Tensor]:
        """Bool per attack, shape (case,): an attack that leaves an image alone has nothing to be seen in it."""
        return [(one != self.untouched).flatten(1).any(1) for one in self.attempts]

    def notes(self, guarded: Guarded, labels: Sequence[str]) -> tuple[str, ...]:
        """What the detector makes of these images, in sentences for the report; labels are those of the attacks."""
        clean = scores(guarded, self.untouched)
        told = [f"false alarms: {_above(clean, guarded)} of {len(clean)} other untouched images"]
        for label, attempts, moved in zip(labels, self.attempts, self.moved(), strict=True):
            if bool(moved.any()):
                seen = scores(guarded, attempts[moved])
                told.append(
                    f"oblivious {label}: AUROC {auroc(clean, seen):.3f}, {_above(seen, guarded)} of {len(seen)} attempts "
                    "on the bare classifier are rejected; it says nothing about an attacker who knows of the detector"
                )
        return tuple(told)


class Watching(Learner):
    """A critic at school: untouched images and attempts weigh the same, however many attacks there are.

    Args:
        shown: to learn from.
        width: channels of the net's thinnest layer.
        seed: of the first weights.
        spent: on what it is shown; a training that was killed goes on from its own account.
    """

    def __init__(self, shown: Shown, width: int, seed: Seed, spent: Spent) -> None:
        self.shown, self.moved, self.spent, self.size = shown, shown.moved(), spent, len(shown.untouched)
        self.net = self.module = seeded(seed.child("critic"), lambda: Critic(shown.untouched.shape[1], width)).to(
            shown.untouched.device
        )

    def backward(self, step: Step) -> dict[str, Tensor]:
        count, index = len(step.index), step.index.to(self.shown.untouched.device)
        images = torch.cat([self.shown.untouched[index], *(one[index] for one in self.shown.attempts)])
        found = self.net(images)
        weights = torch.cat([moved[index] for moved in self.moved]).float()
        alarms, misses = functional.softplus(found[:count]).mean(), functional.softplus(-found[count:]) * weights
        loss = (alarms + misses.sum() / weights.sum().clamp_min(1.0)) / 2
        loss.backward()
        return {"loss": loss.detach() * count}

    def state(self) -> dict[str, Any]:
        return asdict(self.spent)

    def restore(self, state: dict[str, Any]) -> None:
        self.spent = Spent(self.spent.seconds + state["seconds"], state["forwards"])


def threshold_of(untouched: Tensor, false_positives: float) -> float:
    """The score that a new untouched image exceeds with at most this chance.

    That is the order statistic of split conformal prediction (Papadopoulos et al., 2002, doi:10.1007/3-540-36755-1_29).

    Args:
        untouched: scores, shape (case,), of at least `fewest(false_positives)` cases.
        false_positives: in (0, 1).
    """
    above = int((len(untouched) + 1) * false_positives + 1e-9)
    return float(untouched.sort(descending=True).values[above - 1])


def fewest(false_positives: float) -> int:
    """Untouched cases below which no threshold can promise a rate of false positives."""
    return math.ceil(1 / false_positives - 1e-9) - 1


def scores(guarded: Guarded, images: Tensor) -> Tensor:
    """The detector's score of each image, shape (case,), a block at a time."""
    return torch.cat([guarded.suspicion(block) for block in images.split(_BLOCK)])


def _above(found: Tensor, guarded: Guarded) -> str:
    return f"{float((found > guarded.threshold).float().mean()):.1%}"
