"""The losses by hand, with the fallbacks below four classes."""

import torch

from sparring.attack.gradient.losses import cross_entropy, dlr, likely_targets, targeted_dlr
from sparring.core.goal import ClassifyAs, Evade, Misclassify

LABELS = torch.tensor([0, 2])


def close(values, *wanted):
    return torch.allclose(values, torch.tensor(wanted, dtype=torch.float32), atol=1e-6)


def test_dlr_divides_the_margin_by_the_gap_between_the_first_and_the_third_logit():
    logits = torch.tensor([[5.0, 3, 1, 0], [4.0, 1, 2, 0]])
    assert close(dlr(Misclassify(LABELS))(logits), (3 - 5) / (5 - 1), (4 - 2) / (4 - 1))


def test_targeted_dlr_divides_by_the_first_minus_the_mean_of_third_and_fourth():
    logits = torch.tensor([[5.0, 3, 1, 0], [4.0, 1, 2, 0]])
    targets = torch.tensor([1, 3])
    assert close(targeted_dlr(Misclassify(LABELS), targets)(logits), (3 - 5) / (5 - 0.5), (0 - 2) / (4 - 0.5))


def test_a_class_that_the_goal_names_has_to_overtake_every_other():
    logits = torch.tensor([[5.0, 3, 1, 0], [4.0, 1, 2, 0]])
    goals = ClassifyAs(torch.tensor([1, 3]), LABELS)
    wanted = ((3 - 5) / (5 - 0.5), (0 - 4) / (4 - 0.5))
    assert close(dlr(goals)(logits), *wanted)
    assert close(targeted_dlr(goals, goals.targets)(logits), *wanted)


def test_below_four_classes_the_losses_fall_back():
    three = torch.tensor([[5.0, 3, 1], [4.0, 1, 2]])
    targets = torch.tensor([1, 1])
    assert close(dlr(Misclassify(LABELS))(three), (3 - 5) / 4, (4 - 2) / 3)
    assert close(targeted_dlr(Misclassify(LABELS), targets)(three), 3 - 5, 1 - 2)
    two, labels = torch.tensor([[5.0, 3], [1.0, 4]]), torch.tensor([0, 0])
    assert close(dlr(Misclassify(labels))(two), -2.0, 3.0)
    assert close(targeted_dlr(Misclassify(labels), torch.tensor([1, 1]))(two), -2.0, 3.0)


def test_no_loss_notices_a_rescaling_of_dlr_but_cross_entropy_does():
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    goals = Misclassify(LABELS)
    assert torch.allclose(dlr(goals)(logits), dlr(goals)(7 * logits + 3), atol=1e-5)
    assert not torch.allclose(cross_entropy(goals)(logits), cross_entropy(goals)(7 * logits), atol=1e-2)


def test_objectives_slice_like_their_batch():
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    whole = targeted_dlr(Misclassify(LABELS), torch.tensor([1, 3]))
    one = torch.tensor([1])
    assert torch.equal(whole[one](logits[one]), whole(logits)[one])


def test_targets_are_the_wrong_classes_likeliest_first():
    logits = torch.tensor([[5.0, 3, 1, 4], [4.0, 1, 2, 0]])
    assert likely_targets(logits, Misclassify(LABELS), 9).tolist() == [[3, 1, 2], [0, 1, 3]]
    assert likely_targets(logits, Misclassify(LABELS), 1).tolist() == [[3], [0]]
    assert likely_targets(logits, ClassifyAs(torch.tensor([1, 1]), LABELS), 9).tolist() == [[1], [1]]


def test_a_rejection_stands_in_the_way_and_is_never_a_target_nor_part_of_the_ratio():
    # Class 0 is right, and column 4 says "rejected": second, where a ratio with it below the line would be constant.
    logits = torch.tensor([[5.0, 3, 1, 0, 4.5]])
    goals = Evade(torch.tensor([0]), 4)
    lead = (3 - 5) + (3 - 4.5) - (2**2 + 1.5**2) ** 0.5
    assert close(dlr(goals)(logits), lead / (5 - 1))
    assert close(targeted_dlr(goals, torch.tensor([1]))(logits), lead / (5 - 0.5))
    assert likely_targets(logits, goals, 9).tolist() == [[1, 2, 3]]
    assert torch.allclose(dlr(goals)(7 * logits + 3), dlr(goals)(logits), atol=1e-5)
