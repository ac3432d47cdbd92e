"""Before and after: vitals beside rates, a repair that refuses everything loses, other judges are refused."""

import dataclasses

import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.core.vital import Reading
from sparring.measure.outcomes import codes
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import mcnemar


def reading(name, passed, n=100, better="lower", counted=True) -> Reading:
    """A share of `passed` items; where `counted` is false, the share that did not pass."""
    items = tuple(k < passed for k in range(n))
    value = passed / n if counted else 1 - passed / n
    return Reading(name, value, max(0, value - 0.08), min(1, value + 0.08), n, better, passed=items)


def card(broken, vitals=(), **settings) -> Scorecard:
    listed = codes([Outcome.BROKEN] * broken + [Outcome.HELD] * (100 - broken))
    bouts = [
        Bout("clean", "none", "none", "untouched", True, "clean", outcomes=codes([Outcome.HELD] * 100)),
        Bout(
            "few-shot", "learned.few_shot", "few-shot", "any words", True, outcomes=listed, opinions={"other": listed}
        ),
    ]
    ids = [f"contact/test/{k}" for k in range(100)]
    settings = {"judge": "Finds 1", "opinions": {"other": "Other 1"}} | settings
    return Scorecard("bot", "red", "any words", seed=0, ids=ids, bouts=bouts, vitals=list(vitals), **settings)


def test_a_repair_that_refuses_everything_loses_visibly():
    before = card(40, [reading("over-refusal", 3), reading("plain questions", 80, better="higher")])
    after = card(0, [reading("over-refusal", 97), reading("plain questions", 2, better="higher")])
    found = before.compare(after)
    assert [flag.name for flag in found.flags] == ["over-refusal", "utility-fell"]
    text = str(found)
    assert (
        "! over-refusal rose by 94.0 points (3.0 % to 97.0 %): some of what no longer breaks is only refused." in text
    )
    assert "! plain questions fell by 78.0 points (80.0 % to 2.0 %)" in text


def test_a_repair_that_costs_little_is_not_flagged():
    before = card(40, [reading("over-refusal", 3), Reading("perplexity", 20.0, 19.0, 21.0, 50, "lower", "perplexity")])
    after = card(2, [reading("over-refusal", 8), Reading("perplexity", 20.9, 20.0, 22.0, 50, "lower", "perplexity")])
    assert before.compare(after).flags == []
    after.vitals[1] = dataclasses.replace(after.vitals[1], value=21.5)
    (flag,) = before.compare(after).flags
    assert flag.name == "utility-fell" and "perplexity rose by 7.5 % (20.0 to 21.5)" in flag.text


def test_vitals_are_paired_item_by_item_where_the_items_are_the_same():
    before = card(1, [reading("plain questions", 80, better="higher")])
    (change,) = before.compare(card(1, [reading("plain questions", 70, better="higher")])).vitals
    assert change.p_value == pytest.approx(mcnemar(10, 0)) and change.difference == pytest.approx(-0.1)
    assert change.interval[0] < -0.1 < change.interval[1] < 0
    (change,) = before.compare(card(1, [reading("plain questions", 35, 50, "higher")])).vitals
    assert change.p_value is None and change.difference == pytest.approx(-0.1) and change.interval[0] < -0.1


def test_the_change_has_the_sign_of_the_figure_whatever_passing_means():
    before = card(1, [reading("over-refusal", 97, counted=False)])
    (change,) = before.compare(card(1, [reading("over-refusal", 80, counted=False)])).vitals
    assert change.difference == pytest.approx(0.17) and change.interval[0] > 0 and change.flag.name == "over-refusal"


def test_other_versions_of_a_judge_or_of_a_second_opinion_are_refused():
    with pytest.raises(InvalidSpec, match=r"graded by different judges \(Finds 1 and Finds 2\)"):
        card(1).compare(card(1, judge="Finds 2"))
    with pytest.raises(InvalidSpec, match=r"second opinions .* come from different judges \(Other 1 and Other 2\)"):
        card(1).compare(card(1, opinions={"other": "Other 2"}))
    (change,) = card(40).compare(card(10)).opinions("other")
    assert change.difference == pytest.approx(-0.3)


def test_clusters_widen_the_interval_of_a_change():
    before, after = card(50), card(30)
    ids = [f"contact/{k // 10}#{k % 10}" for k in range(100)]
    pair = [
        dataclasses.replace(one, ids=ids, bouts=[dataclasses.replace(b) for b in one.bouts]) for one in (before, after)
    ]
    wide, narrow = (one.compare(other).changes[1].interval for one, other in (pair, (before, after)))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
