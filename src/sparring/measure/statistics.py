"""Rates with Wilson intervals, exact McNemar for before and after, Holm for many comparisons, a cluster bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Rate:
    """How many of the decided cases broke, and what could not be decided beside it.

    Args:
        broken: cases that broke, before or under the attack.
        decided: cases that broke or held.
        undecided: the judge could not tell, or the attacker refused.
        inadmissible: the attempt lay outside the threat model.
        errors: something raised, or answered NaN.
    """

    broken: int
    decided: int
    undecided: int = 0
    inadmissible: int = 0
    errors: int = 0

    @property
    def value(self) -> float | None:
        """Broken share in [0, 1]; None where nothing was decided."""
        return self.broken / self.decided if self.decided else None

    @property
    def held(self) -> float | None:
        """Share that held, in [0, 1]: accuracy, for a classifier; None where nothing was decided."""
        return 1 - self.broken / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % Wilson interval of `value`; None where nothing was decided."""
        return wilson(self.broken, self.decided) if self.decided else None

    @property
    def held_interval(self) -> tuple[float, float] | None:
        """95 % Wilson interval of `held`; None where nothing was decided."""
        return wilson(self.decided - self.broken, self.decided) if self.decided else None

    def __str__(self) -> str:
        if self.interval is None:
            text = "nothing decided"
        else:
            low, high = self.interval
            text = f"{self.broken} / {self.decided} broken ({100 * low:.1f} to {100 * high:.1f} %)"
        beside = (("undecided", self.undecided), ("inadmissible", self.inadmissible), ("errors", self.errors))
        return text + "".join(f", {name} {count}" for name, count in beside if count)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson, 1927)."""
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, "wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_before: int, only_after: int) -> float:
    """Exact two-sided p-value that two paired rates are equal, from the two discordant counts (McNemar, 1947)."""
    discordant = only_before + only_after
    return 1.0 if discordant == 0 else float(stats.binomtest(only_before, discordant).pvalue)


def paired_difference(
    only_before: int, only_after: int, pairs: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Change of a paired rate (after - before) with its Wald interval, Agresti-Min corrected (2005, section 3)."""
    gained, lost, total = only_after + 0.5, only_before + 0.5, pairs + 2.0
    change = (gained - lost) / total
    spread = np.sqrt((gained + lost) - (gained - lost) ** 2 / total) / total
    width = float(stats.norm.ppf(0.5 + confidence / 2)) * float(spread)
    return (only_after - only_before) / pairs, max(-1.0, change - width), min(1.0, change + width)


def holm(values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values, in the given order (Holm, 1979)."""
    order = np.argsort(values)
    adjusted = np.empty(len(values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = running
    return adjusted.tolist()


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[str], *, seed: int = 0, draws: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a mean whose samples come in clusters (several samples of one case)."""
    names = {name: position for position, name in enumerate(dict.fromkeys(clusters))}
    index = np.array([names[name] for name in clusters])
    sums = np.bincount(index, np.asarray(values, float))
    counts = np.bincount(index)
    chosen = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    means = sums[chosen].sum(1) / counts[chosen].sum(1)
    tail = (1 - confidence) / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))
