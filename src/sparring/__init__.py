"""A sparring partner for a model: attack it, train it on what broke it, measure what is left, report it with error bars."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sparring.measure.campaign import measure as measure

# Loaded on first use, so that `import sparring` costs nothing.
_HOMES = {
    "measure": "sparring.measure.campaign",
    "Scorecard": "sparring.measure.scorecard",
    "Classifier": "sparring.domains.image.target",
    "BlackBox": "sparring.domains.image.target",
    "LabelBox": "sparring.domains.image.target",
    "arrays": "sparring.domains.image.data",
    "loader": "sparring.domains.image.data",
    "Cases": "sparring.core.cases",
    "LpBall": "sparring.core.ball",
    "Seed": "sparring.core.seed",
    "FGSM": "sparring.attack.gradient.fgsm",
    "PGD": "sparring.attack.gradient.pgd",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"sparring has no {name!r}; it has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
