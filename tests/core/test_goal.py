"""Goals past a rejection: what counts as reached, as a wrong answer, and what a search climbs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring.core.cases import Cases
from sparring.core.goal import ClassifyAs, Evade, Misclassify, margin
from sparring.core.judge import GoalReached, Outcome

# Three classes and "rejected"; the label is 0. Answers: label, wrong class, rejected, rejected though the label is next.
SCORES = torch.tensor([[3.0, 1, 0, 2], [1.0, 3, 0, 2], [1.0, 2, 0, 3], [2.0, 1, 0, 3]])
LABELS = torch.zeros(4, dtype=torch.long)
EVADE = Evade(LABELS, 3)
numbers = st.floats(-50, 50, width=32)


def test_only_a_wrong_class_reaches_the_goal_and_only_the_label_is_a_right_answer():
    assert EVADE.reached(SCORES).tolist() == [False, True, False, False]
    assert EVADE.failed(SCORES).tolist() == [False, True, True, True]
    assert EVADE.reached(torch.tensor([0, 1, 3, 3])).tolist() == [False, True, False, False]


def test_for_other_goals_a_wrong_answer_is_one_that_reaches_them():
    for goals in (Misclassify(LABELS), ClassifyAs(LABELS + 1, LABELS)):
        assert torch.equal(goals.failed(SCORES), goals.reached(SCORES))
    assert ClassifyAs(LABELS + 1, LABELS).reached(SCORES).tolist() == [False, True, False, False]


def test_a_goal_faces_a_target_that_rejects_and_turns_back_again():
    faced = Misclassify(LABELS).facing(3)
    assert isinstance(faced, Evade) and faced.rejected == 3 and torch.equal(faced.labels, LABELS)
    assert isinstance(faced.facing(None), Misclassify)
    assert isinstance(faced.facing(5), Evade) and faced.facing(5).rejected == 5
    named = ClassifyAs(LABELS + 1, LABELS)
    assert named.facing(3) is named


def test_the_loss_is_the_log_odds_of_all_wrong_classes_together():
    chances = SCORES.double().softmax(1)
    wrong = chances[:, 1] + chances[:, 2]
    assert torch.allclose(EVADE.loss(SCORES).double(), (wrong / (1 - wrong)).log(), atol=1e-6)


@given(st.lists(numbers, min_size=4, max_size=4))
def test_the_margin_is_positive_just_where_the_goal_is_reached(values):
    scores = torch.tensor([values])
    others, held = max(values[1:3]), max(values[0], values[3])
    if abs(others - held) > 1e-3:
        assert bool(EVADE[:1].margin(scores) > 0) is bool(EVADE[:1].reached(scores)) is (others > held)


def test_the_margin_is_that_of_two_players_where_the_third_is_far_away_and_grows_with_the_scores():
    far = SCORES.clone()
    far[:, 3] = -1e6
    assert torch.allclose(EVADE.margin(far), margin(far[:, :3], LABELS), atol=1e-3)
    far = SCORES.clone()
    far[:, 0] = -1e6
    assert torch.allclose(EVADE.margin(far), far[:, 1] - far[:, 3], atol=1e-3)
    assert torch.allclose(EVADE.margin(7 * SCORES), 7 * EVADE.margin(SCORES))
    assert torch.allclose(EVADE.margin(SCORES + 5), EVADE.margin(SCORES), atol=1e-5)


@pytest.mark.parametrize("label, rejected", [(0.0, -3.0), (200.0, 0.0), (0.0, 200.0), (200.0, 200.0)])
def test_loss_and_margin_keep_a_slope_towards_the_goal_however_sure_the_target_is(label, rejected):
    for climbed in (EVADE[:1].loss, EVADE[:1].margin):
        scores = torch.tensor([[label, 0.0, -9.0, rejected]], requires_grad=True)
        climbed(scores).sum().backward()
        assert scores.grad[0, 1] > 0.5
        assert scores.grad[0, 0 if label >= rejected else 3] < -0.2


def test_the_slope_is_finite_where_label_wrong_class_and_rejection_are_equal():
    scores = torch.zeros(1, 4, requires_grad=True)
    EVADE[:1].margin(scores).sum().backward()
    assert bool(torch.isfinite(scores.grad).all())


def test_goals_slice_like_their_cases():
    goals = Evade(torch.tensor([0, 1, 2]), 3)[torch.tensor([2, 0])]
    assert goals.labels.tolist() == [2, 0] and goals.rejected == 3 and len(goals) == 2


def test_a_rejected_attack_held_and_a_rejected_untouched_input_is_a_wrong_answer():
    inputs = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    cases = Cases([f"c{k}" for k in range(4)], inputs, EVADE)
    broken, held = Outcome.BROKEN, Outcome.HELD
    assert GoalReached().grade(cases, inputs + 0.1, SCORES) == [held, broken, held, held]
    assert GoalReached().grade(cases, inputs, SCORES) == [held, broken, broken, broken]
    some = inputs.clone()
    some[2] += 0.1  # one case was attacked, the others were left alone
    assert GoalReached().grade(cases, some, SCORES) == [held, broken, held, broken]


def test_the_judge_still_grades_what_is_no_tensor_and_what_is_not_finite():
    words = Cases(["a", "b"], ["x", "y"], EVADE[:2])
    assert GoalReached().grade(words, ["x", "z"], SCORES[:2]) == [Outcome.HELD, Outcome.BROKEN]
    inputs = torch.zeros(1, 1, 2, 2)
    nan = torch.full((1, 4), torch.nan)
    assert GoalReached().grade(Cases(["a"], inputs, EVADE[:1]), inputs, nan) == [Outcome.ERROR]
