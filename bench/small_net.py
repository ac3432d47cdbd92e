"""The nets of the benches, in a file that needs torch alone, so that a peer's environment can load them too."""

from torch import Tensor, nn


def small_net(first: int = 32, second: int = 64, hidden: int = 256) -> nn.Module:
    """Two strided convolutions and a hidden layer for 1 x 28 x 28 images in [0, 1]; ten logits."""
    return nn.Sequential(
        nn.Conv2d(1, first, 4, 2, 1), nn.ReLU(), nn.Conv2d(first, second, 4, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(second * 49, hidden), nn.ReLU(), nn.Linear(hidden, 10),
    )  # fmt: skip


def net_of(weights: dict[str, Tensor]) -> nn.Module:
    """The net that these weights belong to, with them."""
    net = small_net(*(len(weights[f"{layer}.weight"]) for layer in (0, 2, 5)))
    net.load_state_dict(weights)
    return net
