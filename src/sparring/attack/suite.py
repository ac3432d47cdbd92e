"""Suites: fixed sequences of attacks with names that promise something."""

from dataclasses import dataclass
from typing import Any

from sparring.core.attack import Attack
from sparring.core.errors import InvalidSpec


@dataclass(frozen=True)
class Suite:
    """Stages that run one after the other, each on what the stages before it left.

    Args:
        name: for tables.
        stages: always run.
        escalation: run as well if a check for gradient masking fires; without any, no check is made.
    """

    name: str
    stages: tuple[Attack[Any, Any, Any], ...]
    escalation: tuple[Attack[Any, Any, Any], ...] = ()


def autoattack() -> Suite:
    """APGD-CE, targeted APGD, targeted FAB and Square with AutoAttack's budgets (Croce and Hein, 2020, arXiv:2003.01690)."""
    from sparring.attack.gradient.apgd import APGD
    from sparring.attack.gradient.apgd_targeted import APGDTargeted
    from sparring.attack.gradient.fab_targeted import FABTargeted
    from sparring.attack.query.square import Square

    return Suite("autoattack", (APGD(), APGDTargeted(), FABTargeted(), Square()))


def standard() -> Suite:
    """The fast protocol: APGD-CE, then targeted APGD; the rest of AutoAttack where a masking check fires."""
    full = autoattack()
    return Suite("standard", full.stages[:2], full.stages[2:])


def suite(name: str) -> Suite:
    """A suite by its name.

    Raises:
        InvalidSpec: if there is none.
    """
    known = {"autoattack": autoattack, "standard": standard}
    if name not in known:
        raise InvalidSpec(f"suite must be one of {', '.join(known)}; got {name!r}.")
    return known[name]()
