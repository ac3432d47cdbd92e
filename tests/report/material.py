"""Scorecards made by hand, so that every figure on a page is known."""

import numpy as np

from sparring.core.flag import Flag
from sparring.core.judge import Outcome
from sparring.core.panel import Panel
from sparring.core.target import Hardening
from sparring.measure.outcomes import UNTRIED, codes
from sparring.measure.scorecard import Bout, Exhibit, Scorecard

LINF, FOG = "Linf <= 0.1 in [0, 1]", "fog of severity <= 3"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABc3UBGAAAAABJRU5ErkJggg=="
CASES = 100


def outcomes(broken: int, already: int = 5, undecided: int = 0, errors: int = 0, inadmissible: int = 0) -> np.ndarray:
    """Of 100 cases: so many already broken, then broken, then each kind that decides nothing; the rest held."""
    listed = [
        *[Outcome.ALREADY_BROKEN] * already, *[Outcome.BROKEN] * broken, *[Outcome.UNDECIDED] * undecided,
        *[Outcome.ERROR] * errors, *[Outcome.INADMISSIBLE] * inadmissible,
    ]  # fmt: skip
    return codes([*listed, *[Outcome.HELD] * (CASES - len(listed))])


def clean(already: int = 5) -> Bout:
    return Bout("clean", "none", "none", "untouched", True, "clean", outcomes=outcomes(0, already))


def attack(label: str, family: str, broken: int, held_out: bool = True, threat: str = LINF, **others: int) -> Bout:
    return Bout(
        label, f"{family}.{label}", family, threat, held_out, outcomes=outcomes(broken, **others), forwards=1234
    )


def curve(radius: float, broken: int) -> Bout:
    found = outcomes(broken)
    found[50:] = UNTRIED
    name = f"radius {radius:g}"
    return Bout(name, "gradient.apgd", "gradient", f"Linf <= {radius:g}", True, "curve", radius, outcomes=found)


def exhibit(bout: str = "pgd", case: str = "digits-3") -> Exhibit:
    panels = [
        Panel("clean: 2 (95 %)", png=PIXEL),
        Panel("attacked: 7 (88 %)", png=PIXEL),
        Panel("difference x 5.0", png=PIXEL),
    ]
    return Exhibit(bout, case, tuple(panels))


def card(target: str, bouts: list[Bout], **others) -> Scorecard:
    ids = [f"digits-{i}" for i in range(CASES)]
    settings = {"versions": {"sparring": "0.1.0", "torch": "2.13.0"}, "run": "run-7f3a", "asked": {"batch": 256}}
    return Scorecard(target, "digits", LINF, "GoalReached 1", 11, ids, bouts, **(settings | others))


def standard(**others) -> Scorecard:
    bouts = [
        clean(),
        attack("pgd", "gradient", 83),
        attack("square", "query", 71),
        attack("fog", "corruption", 22, threat=FOG),
    ]
    bouts += [curve(0.05, 20), curve(0.1, 40)]
    lineage = (Hardening("train.plain.standard", (), 10.0, 3000, ("kept epoch 9 of 9",)),)
    return card("standard", bouts, **({"lineage": lineage, "exhibits": [exhibit()]} | others))


def hardened(**others) -> Scorecard:
    bouts = [
        clean(8), attack("pgd", "gradient", 17, held_out=False, already=8), attack("square", "query", 13, already=8),
        attack("fog", "corruption", 26, threat=FOG, already=8), curve(0.05, 4), curve(0.1, 11),
    ]  # fmt: skip
    lineage = (Hardening("train.minimax.adversarial_training", ("gradient",), 43.0, 17000),)
    return card("adversarial", bouts, **({"lineage": lineage, "notes": ["suite standard: no escalation."]} | others))


def flagged(**others) -> Scorecard:
    return hardened(flags=[Flag("gradients-mislead", "Square breaks more than PGD: gradients mislead.", 0.2)], **others)
