"""The plan of a campaign: which attack runs when, under which threat, on whose survivors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparring.attack.suite import Suite
from sparring.attack.untouched import Untouched
from sparring.core.attack import Attack
from sparring.core.errors import InvalidSpec
from sparring.core.flag import Flag
from sparring.core.spec import to_spec
from sparring.core.threat import ThreatModel
from sparring.measure.scorecard import Bout

Entry = Attack[Any, Any, Any] | tuple[Attack[Any, Any, Any], ThreatModel]
_CURVE = 200  # cases behind each point of a robustness curve


@dataclass
class Stage:
    """One attack to run, and whose survivors it is given."""

    attack: Attack[Any, Any, Any]
    bout: Bout
    threat: ThreatModel
    cascade: bool = False
    limit: int | None = None


class Plan:
    """All stages of a campaign, the untouched cases first, and those that wait for a masking check.

    Args:
        seen: families that the target trained on.
    """

    def __init__(
        self,
        attacks: Sequence[Entry],
        suite: Suite | None,
        radii: Sequence[float],
        threat: ThreatModel,
        seen: set[str],
    ) -> None:
        self._threat, self._seen = threat, seen
        clean = Untouched()
        self.stages = [Stage(clean, Bout("clean", clean.name, clean.family, "untouched", True, "clean"), threat)]
        for entry in attacks:
            attack, under = entry if isinstance(entry, tuple) else (entry, threat)
            self.stages.append(self._stage(attack, under))
        self.stages += self._cascade(suite.stages if suite else ())
        self.stages += [self._curve_point(radius) for radius in radii]
        self.escalation = self._cascade(suite.escalation if suite else ())
        self._name_apart()

    @property
    def everything(self) -> list[Stage]:
        return self.stages + self.escalation

    def follows(self, stage: Stage) -> bool:
        """Whether a stage is given only what a stage before it left, so that its own rate speaks of those alone."""
        same = [other for other in self.stages if other.cascade and other.bout.family == stage.bout.family]
        return stage.cascade and same[0] is not stage

    def before(self, stage: Stage) -> list[Stage]:
        """The stages whose survivors a stage is given: of its own family, so that each family has a worst case."""
        if not stage.cascade:
            return []
        return [
            other
            for other in self.stages
            if other is not stage and other.cascade and other.bout.family == stage.bout.family
        ]

    def _stage(self, attack: Attack[Any, Any, Any], threat: ThreatModel, cascade: bool = False) -> Stage:
        held_out = not any(part.family in self._seen for part in attack.parts)
        spec = to_spec(attack)
        bout = Bout(attack.label, attack.name, attack.family, threat.describe(), held_out, spec=spec)
        bout.adaptive = any(part.adaptive for part in attack.parts)
        return Stage(attack, bout, threat, cascade)

    def _cascade(self, attacks: Sequence[Attack[Any, Any, Any]]) -> list[Stage]:
        return [self._stage(attack, self._threat, cascade=True) for attack in attacks]

    def _curve_point(self, radius: float) -> Stage:
        from sparring.attack.gradient.apgd import APGD

        threat = getattr(self._threat, "scaled", None)
        if threat is None:
            raise InvalidSpec(f"radii need a threat with a radius; got {self._threat.describe()}.")
        stage = self._stage(APGD(steps=20), threat(radius))
        stage.bout.label, stage.bout.role, stage.bout.radius = f"radius {radius:g}", "curve", radius
        stage.limit = _CURVE
        return stage

    def _name_apart(self) -> None:
        """Labels are the keys of the record, so the second `pgd` becomes `pgd (2)`."""
        labels: dict[str, int] = {}
        for stage in self.everything:
            count = labels[stage.bout.label] = labels.get(stage.bout.label, 0) + 1
            if count > 1:
                stage.bout.label += f" ({count})"


def told(suite: Suite, masking: list[Flag]) -> str:
    """What a suite ran, in one sentence."""
    ran = ", ".join(attack.label for attack in suite.stages)
    if not suite.escalation:
        return f"suite {suite.name}: {ran}."
    rest = ", ".join(attack.label for attack in suite.escalation)
    if masking:
        names = ", ".join(flag.name for flag in masking)
        return f"suite {suite.name}: {ran}; a masking check fired ({names}), so it escalated to {rest} as well."
    return f"suite {suite.name}: {ran}; no masking check fired, so it did not escalate to {rest}."
