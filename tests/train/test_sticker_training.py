"""Training with stickers: what it shows the net, and what it leaves alone."""

import pytest
import torch

from sparring.core.errors import InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.training import Batch
from sparring.core.validation import Validation
from sparring.domains.image.nets import road_sign_classifier
from sparring.domains.image.road_signs import StopFace, road_signs
from sparring.train.sticker_training import StickerTraining

SHORT = {"epochs": 1, "schedule": Schedule(batch=12), "validation": Validation(share=0.0)}


def batch(count: int = 24) -> Batch:
    cases = road_signs("train", count)
    goals = cases.goals
    assert isinstance(goals, Misclassify)
    return Batch(
        road_sign_classifier(), cases.inputs, goals, goals.labels, None, Seed(0).stream(cases.ids),
        torch.arange(count), count, {}, cases.ids,
    )  # fmt: skip


def test_a_share_of_the_cases_wears_stickers_on_the_sign_and_the_rest_is_as_it_was():
    one = batch(40)
    before = one.inputs.clone()
    moved = StickerTraining(share=0.5, **SHORT).perturb(one)
    changed = (moved != before).any(1)
    wearing = changed.flatten(1).any(1)
    assert 10 <= int(wearing.sum()) <= 30
    assert torch.equal(one.inputs, before)
    points = StopFace().views(one.ids, (3, 48, 48)).coordinates(48, 48)
    assert float(points[changed].abs().max()) < 1.3  # nobody puts a sticker on the sky
    covered = changed[wearing].flatten(1).sum(1) / (points.abs() <= 1).all(3)[wearing].flatten(1).sum(1)
    assert float(covered.max()) < 0.1


def test_sign_steps_make_the_loss_larger_than_random_prints_do():
    one = batch()
    losses = []
    for steps in (0, 1, 3):
        moved = StickerTraining(share=1.0, steps=steps, **SHORT).perturb(one)
        losses.append(float(one.goals.loss(one.student(moved)).mean()))
    assert losses[0] < losses[1] < losses[2]


def test_spends_what_it_says_and_records_its_family():
    cases, training = road_signs("train", 24), StickerTraining(share=1.0, steps=2, **SHORT)
    hardened = training.harden(road_sign_classifier(), cases)
    assert hardened.lineage[-1].forwards == 24 * (2 * 2 + 3)
    assert hardened.lineage[-1].families == ("patch",)


def test_gives_the_same_weights_for_the_same_seed():
    cases, training = road_signs("train", 24), StickerTraining(**SHORT)
    prints = {training.harden(road_sign_classifier(), cases, seed=3).fingerprint() for _ in range(2)}
    assert len(prints) == 1


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(InvalidSpec, match=r"area and share in \(0, 1\].*; got 0, 0.5, 3, 4 and 2"):
        StickerTraining(area=0)


def test_chooses_the_epoch_by_accuracy_with_stickers_on():
    cases, target = road_signs("train", 24), road_sign_classifier()
    figures = StickerTraining(**SHORT).figures(target, cases, Seed(0))
    assert figures["val_clean"] == float((target(cases.inputs).argmax(1) == cases.goals.labels).float().mean())
    assert figures["score"] == figures["val_robust"]
    assert figures["tie"] == figures["val_clean"]
