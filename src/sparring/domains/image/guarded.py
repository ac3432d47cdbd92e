"""Guarded: a classifier with a detector beside it, which rejects what looks attacked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Goals
from sparring.core.panel import Panel
from sparring.core.target import Differentiable, Scored, Target
from sparring.domains.image.exhibit import exhibit
from sparring.domains.image.generators import check_images
from sparring.domains.image.target import Classifier, digest_of, evaluating


class Guarded(Differentiable, Scored):
    """Answers as the classifier does, with one more column behind the classes: "rejected".

    The columns are the logits less their maximum, and `scale * (suspicion - threshold)`. So the last one wins exactly
    where the detector's score exceeds the threshold, and has the detector's slope: every attack on this target attacks
    the detector too. For an attack that knows nothing of the detector, see `Oblivious`.

    Paper: Carlini and Wagner, 2017, arXiv:1705.07263, section 3.
    Differs: the score is added to the largest logit, where they multiply the two, which needs a positive logit.

    Args:
        inner: the classifier; it stays as it is.
        critic: images in [0, 1], shape (batch, channel, height, width), to scores, shape (batch,): high looks attacked.
        threshold: score above which an image is rejected.
        scale: of the rejection's column against the logits; a detector that is sure of itself is steeper than the
            classifier, and would drown it in what an attack climbs.

    Raises:
        InvalidSpec: if the scale is not positive.
    """

    def __init__(self, inner: Classifier, critic: nn.Module, threshold: float, scale: float = 0.3) -> None:
        if not scale > 0:
            raise InvalidSpec(f"a guarded classifier needs a positive scale; got {scale}.")
        self.inner, self.critic, self.threshold, self.scale = inner, critic, threshold, scale
        self.classes, self.class_names = inner.classes, inner.class_names
        self.name, self.replays, self.lineage = inner.name, inner.replays, inner.lineage
        self.meter = inner.meter  # one question asks both nets, and what an oblivious attack asks counts too

    @property
    def bare(self) -> Target:
        return self.inner.bare

    @property
    def device(self) -> torch.device:
        return self.inner.device

    @torch.no_grad()
    def suspicion(self, inputs: Tensor) -> Tensor:
        """How attacked each image looks to the detector, shape (batch,); it is not metered."""
        return self._suspicion(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        logits = self.inner.forward(inputs)
        excess = self._suspicion(inputs) - self.threshold
        return torch.cat([logits - logits.amax(1, keepdim=True), self.scale * excess[:, None]], 1)

    def place(self, cases: Cases) -> Cases:
        """The cases on its device; an adversary now has to get past the detector as well."""
        placed = self.inner.place(cases)
        goals = placed.goals.facing(self.classes) if isinstance(placed.goals, Goals) else placed.goals
        return replace(placed, goals=goals)

    def check(self, cases: Cases) -> None:
        self.inner.check(cases)
        check_images(cases.inputs, "a guarded classifier")

    def exhibit(self, cases: Cases, attempts: Any) -> list[tuple[Panel, ...]]:
        answers = self.respond(cases.inputs), self.respond(attempts)
        names = [*(self.class_names or map(str, range(self.classes))), "rejected"]
        return exhibit(cases.inputs, attempts, *answers, names)

    def fingerprint(self) -> str:
        return digest_of(self.critic, f"{self.inner.fingerprint()} {self.threshold} {self.scale}")

    def _suspicion(self, inputs: Tensor) -> Tensor:
        with evaluating(self.critic):
            return self.critic(inputs)


def auroc(untouched: Tensor | Sequence[float], attacked: Tensor | Sequence[float]) -> float:
    """The chance that an attacked image scores higher than an untouched one, ties counting half.

    Paper: Mann and Whitney, 1947, doi:10.1214/aoms/1177730491; from the sum of ranks.

    Args:
        untouched, attacked: scores, of any two lengths.

    Raises:
        InvalidSpec: if either is empty.
    """
    low, high = (torch.as_tensor(scores, dtype=torch.float64).cpu() for scores in (untouched, attacked))
    if len(low) == 0 or len(high) == 0:
        raise InvalidSpec(f"an AUROC needs scores on both sides; got {len(low)} untouched and {len(high)} attacked.")
    order = low.sort().values
    below, upto = (torch.searchsorted(order, high, right=right) for right in (False, True))
    return float((below + upto).double().mean()) / (2 * len(low))
