"""Standard training: cross-entropy on the cases as they are; the baseline that every cost is a ratio to."""

from dataclasses import dataclass

from sparring.core.training import Training


@dataclass(frozen=True)
class Standard(Training):
    """Minimises cross-entropy and attacks nothing.

    Paper: none; the baseline of all of them.
    Differs: the best epoch is chosen by clean accuracy on validation.
    Cost per case and epoch: 3 forwards (a forward, and a weight-backward that costs two).
    """
