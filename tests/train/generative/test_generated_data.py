"""Painted images beside real ones: how many, which, in how many steps, and what is told."""

import pytest
import torch

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.schedule import Schedule
from sparring.core.spec import build, to_spec
from sparring.core.validation import Validation
from sparring.train.generative.generated_data import GeneratedData
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.plain.standard import Standard
from tests.train.generative.test_generative_training import toy_images
from tests.train.lessons import small_net, weights

SMALL = {"width": 2, "painting_epochs": 2, "schedule": Schedule(batch=10)}


def plain(**settings):
    return Standard(schedule=Schedule(batch=10), **settings)


def test_sees_no_more_images_than_without():
    alone = plain(epochs=4, validation=Validation(share=0.0))
    step = GeneratedData(alone, share=0.5, **SMALL).harden(small_net(), toy_images(40)).lineage[-1]
    assert step.notes[-2].startswith(
        "40 painted images beside 40 real ones, in 2 epochs instead of 4; the painter took"
    )
    gan, choice, training = 40 * 2 * 8, 80, 3 * 80 * 2
    assert step.forwards == gan + choice + training
    assert step.panels


def test_a_painted_image_never_serves_in_validation():
    seen = {}

    class Spying(Validation):
        def split(self, data):
            train, held = super().split(data)
            seen["held"] = list(held.ids)
            return train, held

    training = plain(epochs=2, validation=Spying(share=0.3))
    GeneratedData(training, **SMALL).harden(small_net(), toy_images(60))
    assert seen["held"]
    assert not any(name.startswith("painted") for name in seen["held"])


def test_same_seed_same_weights_and_a_killed_one_goes_on(tmp_path):
    training = GeneratedData(plain(epochs=2), **SMALL)
    first = training.harden(small_net(), toy_images(40), seed=3)
    kept = training.harden(small_net(), toy_images(40), seed=3, workspace=tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training.pt")}
    again = training.harden(small_net(), toy_images(40), seed=3, workspace=tmp_path)
    assert torch.equal(weights(first), weights(kept))
    assert torch.equal(weights(first), weights(again))
    assert len(made) == 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training.pt")} == made


def test_learns_from_the_families_of_its_training_and_round_trips():
    ball = LpBall("inf", 0.1)
    training = GeneratedData(AdversarialTraining(PGD(steps=2), ball))
    assert training.families == ("gradient",)
    assert build(to_spec(training)) == training


def test_refuses_what_cannot_work():
    with pytest.raises(InvalidSpec, match="needs a training, such as AdversarialTraining; got 3"):
        GeneratedData(3)
    with pytest.raises(InvalidSpec, match=r"a share in \(0, 1\)"):
        GeneratedData(plain(), share=1.0)
    with pytest.raises(InvalidCases, match="class 5 has no case to learn from"):
        GeneratedData(plain()).harden(small_net(), toy_images(5))
