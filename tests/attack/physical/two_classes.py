"""A linear model of two classes on colour pictures, where the best attack of every kind has a closed form."""

import torch
from torch import Tensor, nn

from sparring.core.cases import Cases
from sparring.core.goal import Misclassify
from sparring.domains.image.target import Classifier


def two_classes(weights: Tensor, bias: float = 0.0) -> Classifier:
    """Class 1 where `weights * image`, summed, plus bias is positive; weights have one picture's shape."""
    layer = nn.utils.skip_init(nn.Linear, weights.numel(), 2)
    layer.load_state_dict(
        {"weight": torch.stack([-weights.flatten(), weights.flatten()]) / 2, "bias": torch.tensor([-bias, bias]) / 2}
    )
    return Classifier(nn.Sequential(nn.Flatten(), layer), 2)


def grey_cases(count: int, shape: tuple[int, ...], label: int = 0) -> Cases:
    """Pictures around mid-grey, drawn from a fixed seed, all of one class."""
    images = 0.4 + 0.2 * torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))
    return Cases([f"grey-{i}" for i in range(count)], images, Misclassify(torch.full((count,), label)))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
