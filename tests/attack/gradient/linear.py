"""A linear target whose optimum is known in closed form for every norm."""

import torch
from torch import nn

from sparring.core.cases import Cases
from sparring.core.goal import Misclassify
from sparring.domains.image.target import Classifier

DUAL = {"inf": 1.0, 2: 2.0, 1: torch.inf}


def linear(classes: int = 2, size: int = 30, seed: int = 0) -> Classifier:
    weights = torch.randn(classes, size, generator=torch.Generator().manual_seed(seed))
    layer = nn.utils.skip_init(nn.Linear, size, classes)
    layer.load_state_dict({"weight": weights, "bias": -weights.sum(1) / 2})
    return Classifier(layer, classes)


def right_cases(target: Classifier, count: int = 16, seed: int = 1) -> Cases:
    """Inputs in [0.3, 0.7], shape (batch, feature), labelled by the target itself, none of them close to a boundary."""
    size = target.module.weight.shape[1]
    inputs = 0.3 + 0.4 * torch.rand(2 * count, size, generator=torch.Generator().manual_seed(seed))
    cases = Cases([f"c{i}" for i in range(2 * count)], inputs, Misclassify(target(inputs).argmax(1)))
    return cases[margins(target, cases)["inf"].topk(count).indices]


def margins(target: Classifier, cases: Cases) -> torch.Tensor:
    """How far each case is from its nearest boundary of each norm: dict from norm to shape (batch,)."""
    weights, labels = target.module.weight.detach(), cases.goals.labels
    logits = target(cases.inputs)
    gaps = logits.gather(1, labels[:, None]) - logits
    slopes = weights[None] - weights[labels][:, None]
    return {
        norm: (gaps / slopes.norm(p=dual, dim=2)).scatter(1, labels[:, None], torch.inf).amin(1)
        for norm, dual in DUAL.items()
    }
