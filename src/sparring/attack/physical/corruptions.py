"""Natural corruptions: noise, blur, weather, light, JPEG, occlusion; the worst kind for each case counts."""

from dataclasses import dataclass

from sparring.attack.physical.worst import offer, untouched_first
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Labelled, Target
from sparring.core.threat import ThreatModel
from sparring.domains.image.corruption import KINDS, SEVERITIES, check_kind
from sparring.domains.image.threat import Corruption


@dataclass(frozen=True)
class Corruptions(Attack[Labelled, Cases, Corruption]):
    """Every kind of corruption at one severity, keeping what fools the target; needs no more than labels.

    Paper: Hendrycks and Dietterich, 2019, arXiv:1903.12261.
    Differs: they report the mean over kinds, which is the mean over `Corruptions.each()`; one attack with several
    kinds is the worst of them. Strengths are ours (see `domains.image.corruption`). The draws belong to the threat,
    so the seed changes nothing.
    Cost per case: 1 forward per kind, and 1 for the untouched case.

    Args:
        kinds: names from `sparring.domains.image.corruption.KINDS`.
        severity: 1 to 5; None for the threat's.

    Raises:
        InvalidSpec: for no kind, an unknown one, another severity, or one above the threat's.
    """

    family = "corruption"
    kinds: tuple[str, ...] = KINDS
    severity: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))
        if not self.kinds:
            raise InvalidSpec(f"Corruptions needs one kind or more of {', '.join(KINDS)}.")
        for kind in self.kinds:
            check_kind(kind)
        if self.severity is not None and self.severity not in range(1, SEVERITIES + 1):
            raise InvalidSpec(f"severity must be a whole number from 1 to {SEVERITIES}; got {self.severity!r}.")

    @staticmethod
    def each(severity: int | None = None) -> "list[Corruptions]":
        """One attack for every kind, for the mean over kinds."""
        return [Corruptions((kind,), severity) for kind in KINDS]

    @property
    def name(self) -> str:
        base = super().name
        return base if self.kinds == KINDS else f"{base}:{'+'.join(self.kinds)}"

    def cost(self, target: Target) -> int:
        return len(self.kinds) + 1

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        if isinstance(threat, Corruption) and self.severity is not None and self.severity > threat.severity:
            raise InvalidSpec(
                f"{self.name} is set to severity {self.severity}, but the threat allows {threat.severity}. "
                "Raise the threat's severity or lower the attack's."
            )

    def search(self, target: Labelled, cases: Cases, threat: Corruption, seed: Seed) -> Attempts:
        best = untouched_first(target, cases)
        severity = threat.severity if self.severity is None else self.severity
        for kind in self.kinds:
            alive = best.alive()
            if len(alive) == 0:
                break
            offer(target, cases.goals, best, alive, threat.render(cases[alive], kind, severity))
        return Attempts(best.inputs, best.found)
