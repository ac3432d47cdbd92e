"""Intervals and tests against published figures."""

import numpy as np
import pytest
from scipy import stats

from sparring.measure.statistics import (
    Rate,
    cluster_bootstrap,
    difference_of,
    holm,
    mcnemar,
    paired_difference,
    permuted_differences,
    rogan_gladen,
    wilson,
)


def test_wilson_gives_the_published_interval():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for (k, n), expected in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(k, n) == pytest.approx(expected, abs=5e-5)


def test_mcnemar_is_the_exact_binomial():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 10) == pytest.approx(2 / 2**10)
    assert mcnemar(3, 7) == pytest.approx(2 * sum([1, 10, 45, 120]) / 2**10)


def test_holm_adjusts_in_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_rate_with_nothing_decided_is_none_and_never_zero():
    rate = Rate(0, 0, undecided=3, errors=2)
    assert rate.value is None and rate.held is None and rate.interval is None
    assert str(rate) == "nothing decided, undecided 3, errors 2"


def test_the_paired_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        kind = draw.choice(4, 200, p=[0.5, 0.2, 0.05, 0.25])
        lost, gained = int((kind == 1).sum()), int((kind == 2).sum())
        _, low, high = paired_difference(lost, gained, 200)
        covered += low <= -0.15 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_cluster_bootstrap_is_wider_than_independent_samples_would_be():
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 50), 10).astype(float)
    clustered = cluster_bootstrap(values, [str(i // 10) for i in range(500)])
    alone = cluster_bootstrap(values, [str(i) for i in range(500)])
    assert clustered[1] - clustered[0] > 2.5 * (alone[1] - alone[0])


def test_the_cluster_bootstrap_draws_what_drawing_clusters_one_by_one_draws():
    draw = np.random.default_rng(1)
    clusters, values = draw.integers(40, size=300), draw.random(300)
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters)
    chosen = draw.integers(len(sums), size=(20_000, len(sums)))
    means = sums[chosen].sum(1) / sizes[chosen].sum(1)
    expected = np.quantile(means, [0.025, 0.975])
    assert cluster_bootstrap(values, clusters, draws=20_000) == pytest.approx(expected, abs=0.003)


def test_the_cluster_bootstrap_of_a_million_cases_takes_little_memory():
    values = np.arange(1_000_000) % 4 == 0
    low, high = cluster_bootstrap(values, np.arange(1_000_000) // 2)
    assert low < 0.25 < high < low + 0.002


def test_a_perfect_judge_needs_no_correction_and_a_poor_one_widens_the_interval():
    value, low, high = rogan_gladen(0.2, 500, 1.0, 1.0, 1e9, 1e9)
    assert value == pytest.approx(0.2) and (low, high) == pytest.approx(wilson(100, 500), abs=0.004)
    _, low, high = rogan_gladen(0.2, 500, 0.7, 0.9, 50, 50)
    assert high - low > 0.2
    assert rogan_gladen(0.02, 500, 0.9, 0.95, 100, 100)[0] == 0.0  # fewer than its false alarms


def test_the_corrected_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    truth, sens, spec, labels, n = 0.3, 0.8, 0.9, 150, 400
    covered = 0
    for _ in range(400):
        called = draw.binomial(n, truth * sens + (1 - truth) * (1 - spec)) / n
        measured = draw.binomial(labels, sens) / labels, draw.binomial(labels, spec) / labels
        _, low, high = rogan_gladen(called, n, *measured, labels, labels)
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_difference_of_two_rates_is_newcombes_tenth_method():
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
    for (a, m), (b, n), expected in (((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090))):
        first, second = (b / n, *wilson(b, n)), (a / m, *wilson(a, m))
        assert difference_of(first, second)[1:] == pytest.approx(expected, abs=5e-5)


def test_permuting_two_groups_is_fishers_exact_test():
    values = [1] * 9 + [0] * 11 + [1] * 3 + [0] * 17
    found = permuted_differences(values, ["a"] * 20 + ["b"] * 20, draws=20_000)
    exact = stats.fisher_exact([[9, 11], [3, 17]]).pvalue
    assert found["a"] == found["b"] == pytest.approx(exact, abs=0.01)


def test_permuting_clusters_moves_them_whole():
    values = np.repeat([1, 1, 1, 0, 0, 0], 20)
    groups = np.repeat(["a", "b"], 60)
    clusters = np.repeat(np.arange(6), 20)
    assert permuted_differences(values, groups)["a"] < 0.001
    assert permuted_differences(values, groups, clusters)["a"] == pytest.approx(2 / 20, abs=0.01)  # 6 choose 3


def test_shuffling_by_counts_is_shuffling_one_by_one():
    values = np.array([1] * 30 + [0] * 70)
    groups = np.random.default_rng(0).integers(3, size=100)
    by_counts = permuted_differences(values, groups)
    one_by_one = permuted_differences(values * 2.0, groups)  # not ones and zeros, so shuffled in earnest
    assert by_counts == {group: pytest.approx(value, abs=0.02) for group, value in one_by_one.items()}
