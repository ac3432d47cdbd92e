"""The net of the benches, in a file that needs torch alone, so that a peer's environment can load it too."""

from torch import nn


def small_net() -> nn.Module:
    """Two strided convolutions (32, 64) and 256 hidden units for 1 x 28 x 28 images in [0, 1]; ten logits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(64 * 49, 256), nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip
