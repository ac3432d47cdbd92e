"""Rates with intervals, corrected for a judge's errors, paired, compared between groups, adjusted for how many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special, stats

from sparring.core.errors import InvalidSpec


@dataclass(frozen=True)
class Rate:
    """How many of the decided cases broke, and what could not be decided beside it.

    Args:
        broken: cases that broke, before or under the attack.
        decided: cases that broke or held.
        undecided: the judge could not tell.
        inadmissible: the attempt lay outside the threat model.
        errors: something raised, or answered NaN.
        refused: the attacker wrote nothing usable.
        banned: the target shut the attacker out, so it was not answered.
        bounds: interval of `value` where cases come in clusters; None for Wilson's.
    """

    broken: int
    decided: int
    undecided: int = 0
    inadmissible: int = 0
    errors: int = 0
    refused: int = 0
    banned: int = 0
    bounds: tuple[float, float] | None = None

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
        """95 % interval of `value`: Wilson's, or a bootstrap over clusters; None where nothing was decided."""
        return self.bounds or wilson(self.broken, self.decided) if self.decided else None

    @property
    def held_interval(self) -> tuple[float, float] | None:
        """95 % interval of `held`; None where nothing was decided."""
        return (1 - self.interval[1], 1 - self.interval[0]) if self.interval else None

    @property
    def beside(self) -> tuple[tuple[str, int], ...]:
        """What was not decided, by name, where there is any."""
        named = (
            ("undecided", self.undecided), ("refused", self.refused), ("inadmissible", self.inadmissible),
            ("errors", self.errors), ("banned", self.banned),
        )  # fmt: skip
        return tuple((name, count) for name, count in named if count)

    def __str__(self) -> str:
        if self.interval is None:
            text = "nothing decided"
        else:
            low, high = self.interval
            text = f"{self.broken} / {self.decided} broken ({100 * low:.1f} to {100 * high:.1f} %)"
        return text + "".join(f", {name} {count}" for name, count in self.beside)


@lru_cache(maxsize=4096)
def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson, 1927); scipy's is the same, and a thousand times slower."""
    z = float(special.ndtri(0.5 + confidence / 2))
    share, size = successes / trials, 2 * (trials + z**2)
    centre = (2 * successes + z**2) / size
    width = z / size * math.sqrt(4 * successes * (1 - share) + z**2)
    return 0.0 if successes == 0 else centre - width, 1.0 if successes == trials else centre + width


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
    values: Sequence[float] | np.ndarray,
    clusters: Sequence[Any] | np.ndarray,
    *,
    seed: int = 0,
    draws: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a mean whose samples come in clusters (several samples of one case).

    Clusters of equal sum and size are drawn together, by their multinomial counts: the same distribution as drawing
    clusters one by one, in memory that does not grow with the number of clusters where values are 0 and 1.
    """
    index = np.unique(np.asarray(clusters), return_inverse=True)[1]
    pairs = np.stack([np.bincount(index, np.asarray(values, float)), np.bincount(index)], 1)
    kinds, many = np.unique(pairs, axis=0, return_counts=True)
    chosen = np.random.default_rng(seed).multinomial(len(pairs), many / len(pairs), size=draws)
    means = (chosen @ kinds[:, 0]) / (chosen @ kinds[:, 1])
    tail = (1 - confidence) / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))


@dataclass(frozen=True)
class Corrected:
    """A rate corrected for the errors of the judge that graded it.

    Args:
        value: share that is truly broken, in [0, 1].
        low, high: its 95 % interval, for the sample and for the labels that the judge was measured on.
        raw: as it was graded.
    """

    value: float
    low: float
    high: float
    raw: Rate


def rogan_gladen(
    share: float, n: float, sensitivity: float, specificity: float, positives: float, negatives: float
) -> tuple[float, float, float]:
    """Share that is truly broken with its 95 % interval, given what a judge of known errors called broken.

    Paper: Rogan and Gladen, 1978 (the estimate, cut to [0, 1]); Lang and Reiczigel, 2014, Preventive Veterinary
    Medicine 113, section 2.3 (the interval, which also knows that sensitivity and specificity were measured).

    Args:
        share: called broken, of `n`.
        positives, negatives: labels that sensitivity and specificity were measured on.

    Raises:
        InvalidSpec: if the judge does no better than chance.
    """
    if sensitivity + specificity <= 1:
        raise InvalidSpec(
            f"a judge of sensitivity {sensitivity:.3g} and specificity {specificity:.3g} does no better than chance, so "
            "no rate can be corrected for its errors. Use another judge."
        )
    z = float(stats.norm.ppf(0.975))
    size, found = n + z**2, (n * share + z**2 / 2) / (n + z**2)
    pos, neg = positives + 2, negatives + 2
    sens, spec = (positives * sensitivity + 1) / pos, (negatives * specificity + 1) / neg
    gain = sens + spec - 1
    centre = (found + spec - 1) / gain
    noise = sens * (1 - sens) / pos, spec * (1 - spec) / neg
    shift = 2 * z**2 * (centre * noise[0] - (1 - centre) * noise[1])
    spread = np.sqrt(found * (1 - found) / size + (1 - centre) ** 2 * noise[1] + centre**2 * noise[0]) / gain
    value = (share + specificity - 1) / (sensitivity + specificity - 1)
    ends = (value, centre + shift - z * spread, centre + shift + z * spread)
    value, low, high = (min(1.0, max(0.0, float(end))) for end in ends)
    return value, min(low, value), max(high, value)


def difference_of(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """`second - first` of two independent figures (value, low, high), with an interval made of theirs.

    Paper: Zou and Donner, 2008, Statistics in Medicine 27; for Wilson intervals it is method 10 of Newcombe, 1998.
    """
    change = second[0] - first[0]
    down = np.hypot(second[0] - second[1], first[2] - first[0])
    up = np.hypot(second[2] - second[0], first[0] - first[1])
    return change, float(change - down), float(change + up)


def permuted_differences(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    clusters: Sequence[Any] | np.ndarray | None = None,
    *,
    seed: int = 0,
    draws: int = 10_000,
) -> dict[Any, float]:
    """Two-sided p-value of each group's mean against that of all others, from shuffled group names.

    Paper: Fisher, 1935; with the "+1" of Phipson and Smyth, 2010, so that no p-value is 0. Clusters move whole.

    Args:
        values: shape (case,).
        groups: shape (case,); a cluster lies in one group.
        clusters: shape (case,); None where each case stands alone.
        draws: shuffles, whose memory is bounded.
    """
    values, groups = np.asarray(values, float), np.asarray(groups)
    index = np.arange(len(values)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    first = np.unique(index, return_index=True)[1]
    sums, sizes = np.bincount(index, values), np.bincount(index).astype(float)
    names, of = np.unique(groups[first], return_inverse=True)

    def distances(total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Of each group's mean to that of the others, from sums and sizes of shape (draw, group)."""
        return np.abs(total / count - (sums.sum() - total) / np.maximum(sizes.sum() - count, 1))

    weight = np.bincount(of, sizes)
    seen = distances(np.bincount(of, sums), weight)
    generator = np.random.default_rng(seed)
    if (sizes == 1).all() and np.isin(values, (0, 1)).all():  # ones and zeros shuffled are drawn by their counts
        members = np.bincount(of)
        total = generator.multivariate_hypergeometric(members, int(sums.sum()), size=draws, method="marginals")
        reached = (distances(total, weight) >= seen - 1e-12).sum(0)
    else:
        member, reached = np.eye(len(names))[of], np.zeros(len(names), int)
        part = max(1, min(draws, 2_000_000 // len(sums)))
        for start in range(0, draws, part):
            order = generator.random((min(part, draws - start), len(sums))).argsort(1)
            reached += (distances(sums[order] @ member, sizes[order] @ member) >= seen - 1e-12).sum(0)
    return {name: float((1 + count) / (1 + draws)) for name, count in zip(names.tolist(), reached, strict=True)}
