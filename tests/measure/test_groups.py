"""Rates by harm, group and turn; clusters; corrected rates; disparities between groups of people."""

import dataclasses

import numpy as np
import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Datasheet, Outcome
from sparring.measure.outcomes import UNTRIED, codes, from_letters, letters, rate_of
from sparring.measure.scorecard import Bout, Scorecard

SHEET = Datasheet(0.9, 0.95, 400, positives=200)


def card(spread, **settings) -> Scorecard:
    """From group -> (broken, held); a group's cases in a row."""
    groups = [group for group, counts in spread.items() for _ in range(sum(counts))]
    listed = [o for b, h in spread.values() for o in [Outcome.BROKEN] * b + [Outcome.HELD] * h]
    bout = Bout("zero-shot", "learned.zero_shot", "zero-shot", "any words", True, outcomes=codes(listed))
    clean = Bout("clean", "none", "none", "untouched", True, "clean", outcomes=codes([Outcome.HELD] * len(groups)))
    ids = [f"{group}/{k}" for k, group in enumerate(groups)]
    return Scorecard("bot", "red", "any words", "Finds 1", 0, ids, [clean, bout], groups=groups, **settings)


def test_rates_by_harm_and_by_group():
    found = card({"contact/phone": (3, 7), "contact/e-mail": (1, 9), "contacts/x": (5, 0)})
    assert found.harms == ["contact", "contacts"]
    assert (found.rate("zero-shot", "contact").broken, found.rate("zero-shot", "contact").decided) == (4, 20)
    assert {group: rate.broken for group, rate in found.by_group("zero-shot").items()} == {
        "contact/phone": 3, "contact/e-mail": 1, "contacts/x": 5,
    }  # fmt: skip
    assert found.by_harm("zero-shot")["contacts"].value == 1.0
    with pytest.raises(InvalidSpec, match="no case here belongs to 'bias'; the harms are contact, contacts"):
        found.rate("zero-shot", "bias")


def test_groups_survive_json():
    found = card(
        {"contact/phone": (3, 7), "contact/e-mail": (1, 9)}, datasheets={"": SHEET}, taxonomy={"contact": ("A",)}
    )
    again = Scorecard.from_json(found.to_json())
    assert again.groups == found.groups and again.datasheets == {"": SHEET} and again.taxonomy == {"contact": ("A",)}
    assert again.to_json() == found.to_json()


def test_rates_by_turn_are_in_the_order_of_the_turns():
    found = card({"dialogue/turn 10": (9, 1), "dialogue/turn 2": (2, 8), "contact/turn": (1, 1)})
    assert [(turn, rate.broken) for turn, rate in found.by_turn("zero-shot").items()] == [(2, 2), (10, 9)]


def test_several_samples_of_one_question_are_one_cluster():
    found = card({"contact/phone": (50, 150)})
    alone = found.rate("zero-shot").interval
    ids = [f"contact/{k // 10}#{k % 10}" for k in range(200)]  # ten samples each, all alike
    clustered = Scorecard("bot", "red", "any words", "Finds 1", 0, ids, [dataclasses.replace(b) for b in found.bouts])
    wide = clustered.rate("zero-shot").interval
    assert wide[1] - wide[0] > 2.5 * (alone[1] - alone[0])
    assert clustered.rate("zero-shot").value == found.rate("zero-shot").value
    low, high = clustered.rate("zero-shot").held_interval
    assert (low, high) == pytest.approx((1 - wide[1], 1 - wide[0]))
    assert clustered.worst().interval == wide


def test_corrects_for_the_judge_by_hand():
    # 30 % called broken by a judge of 0.9 and 0.95: (0.30 + 0.95 - 1) / (0.9 + 0.95 - 1) = 0.25 / 0.85.
    found = card({"contact/phone": (30, 70)}, datasheets={"contact": SHEET}).corrected("zero-shot")
    assert found.value == pytest.approx(0.25 / 0.85)
    assert found.low < found.value < found.high
    assert found.high - found.low > found.raw.interval[1] - found.raw.interval[0]


def test_harms_are_corrected_apart_and_weighed_by_their_cases():
    sheets = {"contact": SHEET, "offence": Datasheet(1.0, 1.0, 10_000, positives=5000)}
    both = card({"contact/phone": (30, 70), "offence/rude": (60, 240)}, datasheets=sheets)
    assert both.corrected("zero-shot").value == pytest.approx(0.25 * 0.25 / 0.85 + 0.75 * 0.2)
    assert both.corrected("zero-shot", "offence").value == pytest.approx(0.2)


def test_a_judge_without_datasheet_corrects_nothing():
    both = card({"contact/phone": (30, 70), "offence/rude": (60, 240)}, datasheets={"contact": SHEET})
    with pytest.raises(
        InvalidSpec, match="the judge Finds 1 has no datasheet for 'offence', so its errors are not known"
    ):
        both.corrected("zero-shot")
    poor = card({"contact/phone": (3, 7)}, datasheets={"": Datasheet(0.5, 0.4, 100)})
    with pytest.raises(InvalidSpec, match="no better than chance"):
        poor.corrected("zero-shot")
    with pytest.raises(InvalidSpec, match="nothing was decided"):
        poor.bouts[1].outcomes[:] = codes([Outcome.UNDECIDED])
        poor.corrected("zero-shot")


def test_finds_the_group_that_is_treated_worse_and_no_other():
    found = card({f"bias/{name}": (12, 88) for name in "abcd"} | {"bias/e": (40, 60), "contact/phone": (90, 0)})
    rows = found.disparities("zero-shot")
    assert rows[0].group == "e" and len(rows) == 5
    assert rows[0].difference == pytest.approx(0.28) and rows[0].low > 0.15 and rows[0].p_value < 0.001
    assert all(row.p_value > 0.05 or row.difference < 0 for row in rows[1:])


def test_equal_groups_show_no_disparity():
    rows = card({f"bias/{name}": (20, 80) for name in "abc"}).disparities("zero-shot")
    assert all(row.p_value == 1.0 and row.low < 0 < row.high for row in rows)


def test_one_group_or_none_gives_no_comparison():
    assert card({"bias/a": (5, 5), "contact/x": (5, 5)}).disparities("zero-shot") == []
    rows = card({"bias/a": (5, 5), "bias/b": (0, 0), "bias/c": (1, 9)}).disparities("zero-shot")
    assert {row.group for row in rows} == {"a", "c"}


def test_letters_are_read_back_and_strangers_refused():
    outcomes = np.array([*range(8), UNTRIED], np.int8)
    assert letters(outcomes) == "bhaiurex." and np.array_equal(from_letters("bhaiurex."), outcomes)
    with pytest.raises(ValueError, match="an outcome that nothing here writes"):
        from_letters("bz")


def test_a_refusal_to_attack_counts_beside_the_rate():
    rate = rate_of(codes([Outcome.BROKEN, Outcome.REFUSED_TO_ATTACK, Outcome.UNDECIDED]))
    assert (rate.decided, rate.refused, rate.undecided) == (1, 1, 1)
    assert str(rate).endswith("undecided 1, refused 1")


def scored(scores_by_group) -> Scorecard:
    made = card({f"bias/{name}": (0, len(scores)) for name, scores in scores_by_group.items()})
    made.bouts[1].scores = np.array([one for scores in scores_by_group.values() for one in scores])
    return made


def test_mean_harm_finds_a_difference_where_no_reply_is_broken():
    few = np.linspace(0.0, 0.1, 30)
    found = {row.group: row for row in scored({"a": few + 0.2, "b": few, "c": few}).disparities("zero-shot")}
    assert found["a"].rate.broken == 0 and found["a"].p_value == 1
    assert found["a"].mean == pytest.approx(0.25) and found["a"].mean_difference == pytest.approx(0.2)
    assert 0.15 < found["a"].mean_low < 0.2 < found["a"].mean_high < 0.25
    assert found["a"].mean_p_value < 0.001


def test_mean_harm_knows_that_samples_of_one_question_belong_together():
    rng = np.random.default_rng(0)
    level = rng.random(8)
    alike = np.repeat(level, 8)
    made = scored({"a": alike[:32], "b": alike[32:]})
    clusters = [f"x{k // 8}#{k}" for k in range(64)]
    tied = dataclasses.replace(made, ids=clusters, bouts=[dataclasses.replace(b) for b in made.bouts])
    tied.bouts[1].scores = made.bouts[1].scores

    def width(which):
        row = which.disparities("zero-shot")[0]
        return row.mean_high - row.mean_low

    assert width(tied) > 1.8 * width(made)


def test_scores_survive_json_and_replies_without_one_are_left_out():
    made = scored({"a": [0.1, 0.2, np.nan], "b": [0.3, 0.4, 0.5]})
    again = Scorecard.from_json(made.to_json())
    assert again.disparities("zero-shot") == made.disparities("zero-shot")
    assert {row.group: row.mean for row in made.disparities("zero-shot")} == {
        "a": pytest.approx(0.15), "b": pytest.approx(0.4),
    }  # fmt: skip


def test_a_reply_that_was_not_decided_counts_in_no_mean():
    made = scored({"a": [0.1, 0.2, 0.9], "b": [0.3, 0.4, 0.5]})
    made.bouts[1].outcomes[2] = codes([Outcome.INADMISSIBLE])[0]
    assert {row.group: row.mean for row in made.disparities("zero-shot")}["a"] == pytest.approx(0.15)
