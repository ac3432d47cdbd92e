"""Material of the training tests: a linear two-class target, single steps of plain gradient descent, digits."""

from typing import Any

import torch
from torch import Tensor, nn

from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.goal import Misclassify
from sparring.core.schedule import Schedule
from sparring.core.validation import Validation
from sparring.domains.image.target import Classifier

UNBOUNDED = LpBall("inf", 0.05, low=-100.0, high=100.0)
NOTHING_HELD_BACK = Validation(share=0.0)
ONE_STEP = {
    "epochs": 1,
    "schedule": Schedule(
        batch=1000, peak=0.5, shape="constant", warmup=0.0, momentum=0.0, nesterov=False, weight_decay=0.0
    ),
    "validation": NOTHING_HELD_BACK,
}


def linear(classes: int = 2, seed: int = 0) -> Classifier:
    """A linear classifier of 1 x 2 x 3 images, without bias."""
    layer = nn.utils.skip_init(nn.Linear, 6, classes, bias=False)
    weights = torch.randn(classes, 6, generator=torch.Generator().manual_seed(seed))
    layer.load_state_dict({"weight": weights})
    return Classifier(nn.Sequential(nn.Flatten(), layer), classes, name="linear")


def cases(count: int = 16, classes: int = 2, seed: int = 0) -> Cases:
    drawn = torch.Generator().manual_seed(seed + 1)
    inputs = torch.rand(count, 1, 2, 3, generator=drawn)
    return Cases(
        [f"c{i}" for i in range(count)], inputs, Misclassify(torch.randint(classes, (count,), generator=drawn))
    )


def weights(target: Any) -> Tensor:
    """All weights and statistics of a target, in one row."""
    return torch.cat([value.detach().flatten().float() for value in target.module.state_dict().values()])


def stepped(start: Tensor, loss: Any, rate: float = 0.5) -> Tensor:
    """Weights after one step of gradient descent on `loss(weights)`."""
    moving = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(moving), moving)
    return start - rate * gradient


def small_net(seed: int = 0, dropout: float = 0.0) -> Classifier:
    """A small convolutional net for the 8 x 8 digits, with weights that the seed fixes."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32)]
    head = [nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(512, 10)]
    net = nn.Sequential(*layers, *head)
    torch.random.set_rng_state(state)
    return Classifier(net, 10, name="small")
