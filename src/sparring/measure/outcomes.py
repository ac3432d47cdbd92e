"""Outcomes as small integers: how verdicts are kept, counted and turned into rates."""

from collections.abc import Iterable, Sequence

import numpy as np

from sparring.core.judge import Outcome
from sparring.measure.statistics import Rate, cluster_bootstrap

UNTRIED = -1
CODES: tuple[Outcome, ...] = tuple(Outcome)  # an outcome's position here is its code in `Bout.outcomes`
CODE = {outcome: code for code, outcome in enumerate(CODES)}
_LETTERS = "bhaiurex"  # one per outcome, in the same order


def codes(outcomes: Iterable[Outcome]) -> np.ndarray:
    """Outcomes as int8 codes."""
    return np.array([CODE[outcome] for outcome in outcomes], np.int8)


def rate_of(outcomes: np.ndarray, clusters: np.ndarray | None = None) -> Rate:
    """The figures of one array of outcome codes; untried cases count nowhere.

    Args:
        outcomes: int8, shape (case,).
        clusters: int, shape (case,): cases of one number are samples of one question, so that the interval is a
            bootstrap over the questions; None where each case stands alone.
    """
    count = {outcome: int((outcomes == code).sum()) for outcome, code in CODE.items()}
    broken = count[Outcome.BROKEN] + count[Outcome.ALREADY_BROKEN]
    bounds = None
    if clusters is not None and 0 < broken < broken + count[Outcome.HELD]:
        decided = is_decided(outcomes)
        bounds = cluster_bootstrap(is_broken(outcomes)[decided].astype(float), clusters[decided])
    return Rate(
        broken=broken,
        decided=broken + count[Outcome.HELD],
        undecided=count[Outcome.UNDECIDED],
        inadmissible=count[Outcome.INADMISSIBLE],
        errors=count[Outcome.ERROR],
        refused=count[Outcome.REFUSED_TO_ATTACK],
        banned=count[Outcome.BANNED],
        bounds=bounds,
    )


def clusters_of(ids: Sequence[str]) -> np.ndarray | None:
    """Int64, shape (case,): one number for each id up to its first `#`; None where no id has one."""
    if not any("#" in name for name in ids):
        return None
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name.partition("#")[0], len(numbers)) for name in ids], np.int64)


def is_decided(outcomes: np.ndarray) -> np.ndarray:
    """Bool, shape (case,): broken or held."""
    return is_broken(outcomes) | (outcomes == CODE[Outcome.HELD])


def is_broken(outcomes: np.ndarray) -> np.ndarray:
    """Bool, shape (case,): broken, before or under the attack."""
    return (outcomes == CODE[Outcome.BROKEN]) | (outcomes == CODE[Outcome.ALREADY_BROKEN])


def letters(outcomes: np.ndarray) -> str:
    """One letter per case, a point where nothing was tried."""
    table = np.frombuffer(f"{_LETTERS}.".encode(), np.uint8)
    return table[outcomes].tobytes().decode()  # UNTRIED is -1, so it takes the last


def from_letters(text: str) -> np.ndarray:
    """What `letters` wrote.

    Raises:
        ValueError: for a letter that it never writes.
    """
    table = np.full(256, 127, np.int8)
    table[np.frombuffer(_LETTERS.encode(), np.uint8)] = np.arange(len(_LETTERS))
    table[ord(".")] = UNTRIED
    found = table[np.frombuffer(text.encode(), np.uint8)]
    if (found == 127).any():
        raise ValueError("an outcome that nothing here writes")
    return found
