"""The untouched input: clean accuracy and benign behaviour go through the same loop."""

from dataclasses import dataclass

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel


@dataclass(frozen=True)
class Untouched(Attack[Target, Cases, ThreatModel]):
    """Proposes the case itself.

    Paper: none.
    Differs: nothing to differ from.
    Cost per case: 0 forwards; the campaign's own replay is the measurement.
    """

    family = "none"

    @property
    def foreseen(self) -> bool:
        return True

    def search(self, target: Target, cases: Cases, threat: ThreatModel, seed: Seed) -> Attempts:
        return Attempts(cases.inputs, torch.zeros(len(cases), dtype=torch.bool))

    def cost(self, target: Target) -> int:
        return 0
