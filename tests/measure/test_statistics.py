"""Intervals and tests against published figures."""

import numpy as np
import pytest

from sparring.measure.statistics import Rate, cluster_bootstrap, holm, mcnemar, paired_difference, wilson


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
