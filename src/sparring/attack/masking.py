"""Cheap checks for gradient masking: reasons to believe that gradient attacks fail without the model being robust."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.fmn import FMN
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.flag import Flag
from sparring.core.seed import Seed
from sparring.core.target import Differentiable, Scored, Target
from sparring.core.threat import Projectable, ThreatModel

_SHARE = 0.1  # of the cases without a usable gradient, from which a check fires
_LEAD = 0.03  # of the cases that a weaker attack breaks beyond what the stronger one breaks
_ALONE = 0.05  # the same for an attack of another kind that is compared with short PGD alone
_FEWEST = 3  # and at least so many, so that a small sample does not cry wolf
_STEPS = 20
_QUERIES = 100
_NOISES = 10
_NEAREST_STEPS = 50
_UNBOUNDED = 0.95  # share that an attack without a bound has to break
_NUDGE = 0.05  # of the radius, along the gradient


def masking_flags(
    target: Target, cases: Cases, threat: ThreatModel, seed: Seed | int = Seed(0), broken: Tensor | None = None
) -> list[Flag]:
    """All checks that this target and threat allow, on a sample of cases that the target gets right.

    Sources: Athalye et al., 2018, arXiv:1802.00420, section 3.1; Carlini et al., 2019, arXiv:1902.06705, section 4;
    Croce et al., 2022, arXiv:2202.13711, for the random and the saturated nets.
    Differs: a gradient that is the same for every input is no reason for a flag, because a linear model has it.
    Cost per case: about 250 forwards and 130 input-backwards; a hundred cases are enough.

    Args:
        target: asked and differentiated, never changed.
        cases: a placed sample; about a hundred, all answered rightly.
        threat: as in the measurement.
        seed: of every attack made here.
        broken: bool, shape (batch,): what gradient attacks in the measurement have broken already, if any did; a query or
            minimum-norm attack that only does the same is no reason for a flag.

    Returns:
        One flag for each check that fired; empty where nothing speaks against the gradients.
    """
    if len(cases) == 0:
        return []
    flags = [_random_answers(target, cases)]
    if isinstance(target, Differentiable) and isinstance(threat, Projectable):
        sample = _Sample(target, cases, threat, Seed.of(seed), broken)
        flags += [check(sample) for check in _CHECKS]
    return [flag for flag in flags if flag is not None]


@dataclass
class _Sample:
    """What the checks share: the cases, their margin's gradient and what short PGD breaks."""

    target: Differentiable
    cases: Cases
    threat: Projectable
    seed: Seed
    broken: Tensor | None = None

    def __post_init__(self) -> None:
        answer = self.target.gradient(self.cases.inputs, self.cases.goals.margin)
        self.margins, self.slope = answer.values, answer.gradient
        self.flat = _zero(self.slope)
        self.pgd = self.breaks(PGD(steps=_STEPS))
        self.known = self.pgd if self.broken is None else self.pgd | self.broken.to(self.pgd.device)

    def breaks(self, attack: Attack[Any, Any, Any], threat: Projectable | None = None) -> Tensor:
        """Bool, shape (batch,): what this attack breaks, asked again."""
        inputs = attack.run(self.target, self.cases, threat or self.threat, seed=self.seed.child(attack.name)).inputs
        return self.cases.goals.reached(self.target(inputs))

    def lead(self, strong: Tensor, weak: Tensor) -> int:
        """By how many cases `weak` is ahead of `strong`, 0 if that is too few to mean anything."""
        count = int((weak & ~strong).sum()) - int((strong & ~weak).sum())
        return count if count >= max(_FEWEST, _LEAD * len(weak)) else 0


def _random_answers(target: Target, cases: Cases) -> Flag | None:
    answers = [target(cases.inputs) for _ in range(3)]
    if not all(isinstance(answer, Tensor) for answer in answers):
        return None
    first = answers[0].float()
    apart = torch.stack([(first - other.float()).abs() for other in answers[1:]]).amax(0)
    share = float((apart > 1e-3 * (1 + first.abs())).reshape(len(first), -1).any(1).float().mean())
    if share == 0:
        return None
    text = (
        f"Asked the same input again, the target answers differently on {share:.0%} of the cases. "
        "An attack that sees one draw underestimates what an average over draws would break."
    )
    return Flag("random-answers", text, share)


def _zero_gradients(sample: _Sample) -> Flag | None:
    share = float(sample.flat.float().mean())
    if share < _SHARE:
        return None
    text = (
        f"The gradient is zero on {share:.0%} of the cases: something inside (rounding, a threshold) hides the "
        "direction in which the model is weak, and gradient attacks do not move."
    )
    return Flag("zero-gradient", text, share)


def _saturated(sample: _Sample) -> Flag | None:
    plain = sample.target.gradient(sample.cases.inputs, _cross_entropy(sample.cases.goals)).gradient
    share = float((_zero(plain) & ~sample.flat).float().mean())
    if share < _SHARE:
        return None
    text = (
        f"The model is so sure of itself that the gradient of its cross-entropy vanishes in float32 on {share:.0%} "
        "of the cases, though its scores still have one: attacks on cross-entropy alone would look weak."
    )
    return Flag("saturated-scores", text, share)


def _misleading(sample: _Sample) -> Flag | None:
    region = sample.threat.around(sample.cases.inputs)
    step = region.steepest(sample.slope.clone()).mul_(region.radius * _NUDGE)
    moved = region.project_(step.add_(sample.cases.inputs))
    usable = ~sample.flat & (moved != sample.cases.inputs).flatten(1).any(1)
    worse = usable & (sample.cases.goals.margin(sample.target(moved)) <= sample.margins)
    share = float(worse.float().mean())
    if share < _SHARE:
        return None
    text = (
        f"A small step along the gradient does not bring {share:.0%} of the cases closer to the boundary: "
        "the gradient does not describe the model nearby."
    )
    return Flag("misleading-gradient", text, share)


def _more_steps(sample: _Sample) -> Flag | None:
    lead = sample.lead(sample.pgd, sample.breaks(FGSM()))
    if not lead:
        return None
    text = f"One gradient step breaks {lead} more of {len(sample.cases)} cases than {_STEPS} steps do."
    return Flag("more-steps-help-less", text, lead)


def _noise(sample: _Sample) -> Flag | None:
    region = sample.threat.around(sample.cases.inputs)
    stream = sample.seed.child("noise").stream(sample.cases.ids, sample.cases.inputs.device)
    broken = torch.zeros_like(sample.pgd)
    for draw in range(_NOISES):
        broken |= sample.cases.goals.reached(sample.target(region.sample(stream, draw)))
    lead = sample.lead(sample.pgd, broken)
    if not lead:
        return None
    text = f"{_NOISES} draws of noise break {lead} more of {len(sample.cases)} cases than {_STEPS} gradient steps do."
    return Flag("noise-beats-gradient", text, lead)


def _queries(sample: _Sample) -> Flag | None:
    if not (isinstance(sample.target, Scored) and isinstance(sample.threat, LpBall)):
        return None
    from sparring.attack.query.square import Square

    broken = sample.breaks(Square(queries=_QUERIES)) & ~sample.known
    count = int(broken.sum())
    if count < max(_FEWEST, _LEAD * len(broken)):
        return None
    text = (
        f"A search of {_QUERIES} queries that sees scores only breaks {count} of {len(broken)} cases that "
        "gradient attacks do not."
    )
    return Flag("queries-beat-gradient", text, count)


def _nearest(sample: _Sample) -> Flag | None:
    # In L1, short PGD is too weak on honest nets as well to tell anything by comparison.
    if not isinstance(sample.threat, LpBall) or sample.threat.norm == 1:
        return None
    count = int((sample.breaks(FMN(steps=_NEAREST_STEPS)) & ~sample.known).sum())
    lead = _ALONE if sample.broken is None else _LEAD
    if count < max(_FEWEST, lead * len(sample.known)):
        return None
    text = (
        f"An attack that looks for the nearest boundary breaks {count} of {len(sample.pgd)} cases that attacks "
        "at full radius do not: going straight to the edge of the ball gets stuck."
    )
    return Flag("nearest-beats-farthest", text, count)


def _unbounded(sample: _Sample) -> Flag | None:
    threat = sample.threat
    if not isinstance(threat, LpBall) or threat.mask is not None:
        return None
    size = math.prod(sample.cases.inputs.shape[1:])
    width = float((torch.as_tensor(threat.high) - torch.as_tensor(threat.low)).max())
    if not math.isfinite(width):
        return None
    radius = width * {"inf": 1.0, 2: math.sqrt(size), 1: float(size)}[threat.norm]
    broken = sample.breaks(PGD(steps=2 * _STEPS, restarts=2), threat.scaled(radius))
    share = float(broken.float().mean())
    if share >= _UNBOUNDED:
        return None
    text = (
        f"Allowed to change everything, a gradient attack still breaks only {share:.0%} of the cases; "
        "a model without masking falls to it on all."
    )
    return Flag("unbounded-attack-fails", text, share)


_CHECKS: tuple[Callable[[_Sample], Flag | None], ...] = (
    _zero_gradients, _saturated, _misleading, _more_steps, _noise, _queries, _nearest, _unbounded,
)  # fmt: skip


def _zero(gradient: Tensor) -> Tensor:
    return gradient.flatten(1).abs().amax(1) < 1e-12


def _cross_entropy(goals: Any) -> Callable[[Tensor], Tensor]:
    """Cross-entropy without the margin that `goals.loss` puts in the place of underflow."""
    wanted = getattr(goals, "targets", None)
    labels, sign = (goals.labels, 1.0) if wanted is None else (wanted, -1.0)
    return lambda logits: sign * torch.nn.functional.cross_entropy(logits, labels, reduction="none")
