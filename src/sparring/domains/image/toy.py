"""A linear image classifier and a few cases: millisecond material for the contract tests."""

import torch
from torch import nn

from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.goal import Misclassify
from sparring.core.threat import ThreatModel
from sparring.domains.image.surface import OnSurface
from sparring.domains.image.target import Classifier
from sparring.domains.image.threat import Corruption, Patch, RotateTranslate


def toy_classifier(classes: int = 4, seed: int = 0) -> Classifier:
    """A linear model on 1 x 6 x 6 images, shape (batch, 1, 6, 6), with weights that any seed fixes."""
    weights = torch.randn(classes, 36, generator=torch.Generator().manual_seed(seed))
    layer = nn.utils.skip_init(nn.Linear, 36, classes)  # draws nothing from the global generator
    layer.load_state_dict({"weight": weights, "bias": -weights.sum(1) / 2})
    return Classifier(nn.Sequential(nn.Flatten(), layer), classes, name="toy")


def toy_cases(count: int = 12, classes: int = 4, seed: int = 0) -> Cases:
    """Images in [0.2, 0.8], labelled by the toy classifier itself, so that clean accuracy is 100 %."""
    images = 0.2 + 0.6 * torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed + 1))
    labels = toy_classifier(classes, seed)(images).argmax(1)
    return Cases([f"toy-{i}" for i in range(count)], images, Misclassify(labels), "toy")


def toy_threat(attack: type) -> ThreatModel:
    """A threat of the kind that an attack needs, at which some toy cases break and some hold."""
    for kind in (Patch(0.15), RotateTranslate(30, 1), Corruption(2), OnSurface(0.15, 2)):
        if attack.needs_threat is type(kind):  # type: ignore[attr-defined]
            return kind
    return LpBall("inf", 0.05)
