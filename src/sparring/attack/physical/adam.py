"""Adam's steps for a pattern that is learned: a few lines, because torch's optimisers take seconds to import."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Adam:
    """Uphill steps with running moments (Kingma and Ba, 2015, arXiv:1412.6980, algorithm 1).

    Args:
        rate: length of a step.
        low, high: bounds of the values.
    """

    rate: float
    low: float
    high: float
    _moments: tuple[Tensor, Tensor] | None = field(default=None, repr=False)
    _steps: int = 0

    def step(self, values: Tensor, slope: Tensor, share: float = 1.0) -> Tensor:
        """New values, in the same shape; `share` of the rate."""
        mean, square = self._moments or (torch.zeros_like(values), torch.zeros_like(values))
        self._steps += 1
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope.square()
        self._moments = mean, square
        scaled = (square / (1 - 0.999**self._steps)).sqrt() + 1e-12
        return (values + share * self.rate * mean / (1 - 0.9**self._steps) / scaled).clamp(self.low, self.high)
