"""Threat models: what the adversary may do, and the geometry that some of them have."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.seed import Stream


class ThreatModel(ABC):
    """Decides which attempts count. An attack proposes; the campaign asks here.

    `perturbs` says that an attempt is a change of the case's own input, so that a case which is broken untouched proves
    nothing about an attack. Where the adversary writes the whole input, every case is attacked.
    """

    perturbs: bool = True

    @abstractmethod
    def admits(self, cases: Cases, attempts: Any) -> Any:
        """Bool per case: whether the adversary may turn this case into this attempt."""

    @abstractmethod
    def describe(self) -> str:
        """One line for tables, such as `Linf <= 8/255 in [0, 1]`."""

    def survey(self, attempts: Sequence[Any]) -> dict[str, float]:
        """Figures that describe a whole set of attempts, such as their diversity; none by default."""
        return {}

    def check(self, cases: Cases) -> None:
        """Raises InvalidCases if an untouched case lies outside what is physically possible."""


class AnyText(ThreatModel):
    """Any input at all: the adversary writes what it likes."""

    def admits(self, cases: Cases, attempts: Any) -> list[bool]:
        return [True] * len(cases)

    def describe(self) -> str:
        return "any input"


class Region(ABC):
    """The allowed set around each origin of one batch; sliceable like the batch.

    `radius` is the length of the longest step worth taking, broadcastable to the inputs.
    """

    radius: Tensor

    @abstractmethod
    def __getitem__(self, index: Tensor) -> "Region": ...

    @abstractmethod
    def project_(self, inputs: Tensor) -> Tensor:
        """Moves `inputs` into the set, in place, and returns them."""

    @abstractmethod
    def sample(self, stream: Stream, at: int = 0) -> Tensor:
        """A random point of the set for each origin."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """The step of unit norm that gains most along `gradient`; may reuse its memory."""


class Projectable(ThreatModel):
    """A threat model with geometry: it owns projection, sampling and steepest ascent."""

    radius: Any

    @abstractmethod
    def around(self, origins: Tensor) -> Region:
        """The allowed set around each of a batch of origins."""

    @abstractmethod
    def distance(self, inputs: Tensor, origins: Tensor) -> Tensor:
        """How far each input is from its origin, shape (batch,), in the unit of the radius."""

    @abstractmethod
    def scaled(self, radius: Any) -> "Projectable":
        """The same threat at another radius."""
