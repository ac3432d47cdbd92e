"""Purified: a classifier behind a net that cleans each image, and behind the rounding that comes with storing it."""

from typing import Any

import torch
from torch import Tensor, nn

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.panel import Panel
from sparring.core.target import Differentiable, Scored, Target
from sparring.domains.image.exhibit import exhibit, png
from sparring.domains.image.generators import check_images
from sparring.domains.image.target import Classifier, digest_of, evaluating


class Purified(Differentiable, Scored):
    """Cleans an image, rounds it to grey levels, and classifies what is left.

    The rounding has no gradient, so an attack that follows the gradient does not move: that is masking, and no
    robustness. `stand_in` is the same target without the rounding, and what BPDA follows.

    Args:
        cleaner: images in [0, 1] in, images in [0, 1] of the same shape out.
        classifier: answers for what came out; neither net is ever changed.
        levels: grey levels from 0 to 1, as a service that stores images rounds to; None for no rounding.

    Raises:
        InvalidSpec: if there are fewer than two levels.
    """

    def __init__(self, cleaner: nn.Module, classifier: Classifier, levels: int | None = 256) -> None:
        if levels is not None and levels < 2:
            raise InvalidSpec(f"a purified image needs 2 grey levels or more, or None for no rounding; got {levels}.")
        self.cleaner, self.classifier, self.levels = cleaner, classifier, levels
        self.classes, self.class_names = classifier.classes, classifier.class_names
        self.name, self.replays, self.lineage = classifier.name, classifier.replays, classifier.lineage
        self.meter = classifier.meter  # one question asks both nets, and what an oblivious attack asks counts too

    @property
    def device(self) -> torch.device:
        return self.classifier.device

    @property
    def bare(self) -> Target:
        return self.classifier.bare

    @property
    def stand_in(self) -> Target:
        if self.levels is None:
            return self
        smooth = Purified(self.cleaner, self.classifier, None)
        smooth.lineage = self.lineage
        return smooth

    def clean(self, inputs: Tensor) -> Tensor:
        """What the classifier sees, in the shape that came."""
        with evaluating(self.cleaner):
            images = self.cleaner(inputs)
        if self.levels is None:
            return images
        return torch.round(images * (self.levels - 1)) / (self.levels - 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classifier.forward(self.clean(inputs))

    def place(self, cases: Cases) -> Cases:
        return self.classifier.place(cases)

    def check(self, cases: Cases) -> None:
        self.classifier.check(cases)
        check_images(cases.inputs, "a purified classifier")

    def exhibit(self, cases: Cases, attempts: Any) -> list[tuple[Panel, ...]]:
        """What a classifier shows of each attempt, and what it was shown of it."""
        answers = self.respond(cases.inputs), self.respond(attempts)
        rows = exhibit(cases.inputs, attempts, *answers, self.class_names)
        with torch.no_grad():
            seen = self.clean(attempts)
        return [(*row, Panel("attacked and purified", png=png(image))) for row, image in zip(rows, seen, strict=True)]

    def fingerprint(self) -> str:
        return digest_of(self.cleaner, f"{self.classifier.fingerprint()} {self.levels}")
