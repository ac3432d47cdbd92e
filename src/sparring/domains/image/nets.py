"""Nets for the recipes that ship: small ones for digits and Fashion-MNIST, a PreAct ResNet-18 for CIFAR-10."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.image.road_signs import SIGNS
from sparring.domains.image.target import Classifier

_FASHION = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
_CIFAR_STD = (0.2470, 0.2435, 0.2616)


def digits_net(seed: int = 0, classes: int = 10) -> nn.Module:
    """Two convolutions (16, 32) and 64 hidden units for images of shape (batch, 1, 8, 8): 37,000 weights.

    Args:
        seed: of the starting weights; global generators stay as they are.
        classes: number of logits.
    """

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, classes),
        )  # fmt: skip

    return _seeded(seed, "digits_net", make)


def fashion_net(seed: int = 0, classes: int = 10) -> nn.Module:
    """Two strided convolutions (32, 64) and 256 hidden units for images of shape (batch, 1, 28, 28).

    Args:
        seed: of the starting weights; global generators stay as they are.
        classes: number of logits.
    """

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 256), nn.ReLU(), nn.Linear(256, classes),
        )  # fmt: skip

    return _seeded(seed, "fashion_net", make)


def fashion_classifier(seed: int = 0) -> Classifier:
    """The Fashion-MNIST net with the data's mean and deviation inside, on a GPU where there is one.

    Args:
        seed: of the starting weights.
    """
    net = fashion_net(seed)
    return Classifier(
        net.to("cuda") if torch.cuda.is_available() else net, 10, mean=(0.286,), std=(0.353,),
        class_names=_FASHION, name="fashion-net",
    )  # fmt: skip


def road_sign_net(seed: int = 0, classes: int = 8) -> nn.Module:
    """Three strided convolutions (16, 32, 64), one more, and a linear head, for images of shape (batch, 3, 48, 48).

    Args:
        seed: of the starting weights; global generators stay as they are.
        classes: number of logits.
    """

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for channels, width in ((3, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(
            *layers, nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
            nn.Linear(64 * 9, classes),
        )  # fmt: skip

    return _seeded(seed, "road_sign_net", make)


def road_sign_classifier(seed: int = 0) -> Classifier:
    """The road-sign net with the names of the signs.

    Args:
        seed: of the starting weights.
    """
    return Classifier(road_sign_net(seed), len(SIGNS), class_names=SIGNS, name="road-sign-net")


def preact_resnet18(seed: int = 0, classes: int = 10, width: int = 64) -> nn.Module:
    """A ResNet-18 with normalisation before each convolution, for images of shape (batch, 3, 32, 32).

    Paper: He et al., 2016, arXiv:1603.05027; the stem is a 3 x 3 convolution without pooling, as usual at 32 pixels.

    Args:
        seed: of the starting weights; global generators stay as they are.
        classes: number of logits.
        width: channels of the first stage; the others have 2, 4 and 8 times as many.
    """

    def make() -> nn.Module:
        return PreActResNet((2, 2, 2, 2), classes, width)

    return _seeded(seed, "preact_resnet18", make)


def cifar10_classifier(seed: int = 0, width: int = 64) -> Classifier:
    """A PreAct ResNet-18 with CIFAR-10's normalisation inside; bfloat16 and channels_last where there is a GPU.

    Args:
        seed: of the starting weights.
        width: channels of the first stage.
    """
    net = preact_resnet18(seed, 10, width)
    fast = torch.cuda.is_available()
    if fast:
        net = net.to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(
        net, 10, mean=_CIFAR_MEAN, std=_CIFAR_STD, channels_last=fast,
        autocast=torch.bfloat16 if fast else None, name="preact-resnet18",
    )  # fmt: skip


class PreActBlock(nn.Module):
    """Normalise, rectify, convolve, twice; the shortcut branches off after the first rectifier where shapes change."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        same = stride == 1 and channels == width
        self.shortcut = None if same else nn.Conv2d(channels, width, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        active = functional.relu(self.norm1(inputs))
        around = inputs if self.shortcut is None else self.shortcut(active)
        return around + self.conv2(functional.relu(self.norm2(self.conv1(active))))


class PreActResNet(nn.Module):
    """Stages of pre-activation blocks, each after the first at half the resolution and twice the channels."""

    def __init__(self, blocks: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        layers: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            for position in range(count):
                stride = 2 if stage > 0 and position == 0 else 1
                layers.append(PreActBlock(channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        features = functional.relu(self.norm(self.blocks(self.stem(inputs))))
        return self.head(features.mean((2, 3)))


def _seeded(seed: int, name: str, make: Callable[[], nn.Module]) -> nn.Module:
    if not isinstance(seed, int):
        raise InvalidSpec(f"{name} needs a whole number as its seed; got {seed!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(Seed(seed).child(name).value)
        return make()
