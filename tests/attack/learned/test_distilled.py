"""An attack on a copy: what it asks, what it reaches without gradients, and what it refuses."""

import pytest
import torch

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.attack.learned.distilled import Distilled, likelihoods
from sparring.attack.query.uniform_noise import UniformNoise
from sparring.core.ball import LpBall
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.threat import AnyText
from sparring.domains.image.target import BlackBox, LabelBox
from sparring.domains.image.toy import toy_cases, toy_classifier
from tests.attack.learned.test_adv_gan import fresh

BALL = LpBall("inf", 0.1)


def label_box():
    inner = toy_classifier()
    return LabelBox(lambda inputs: inner(torch.from_numpy(inputs)).argmax(1), 4)


def test_breaks_a_target_that_gives_labels_alone():
    target, learn, others = label_box(), fresh(400, 5), fresh(64, 9)
    ball = LpBall("inf", 0.05)
    ready = Distilled(FGSM(), epochs=20).prepare(target, learn, ball)  # PGD would stop at the copy's boundary
    found = ready.run(target, others, ball).found
    noise = UniformNoise(draws=1).run(target, others, ball).found
    assert ready.agreement > 0.6  # half of these cases are attempts, at the boundary
    assert float(found.float().mean()) > 0.15 + 2 * float(noise.float().mean())


def test_asks_each_case_learned_from_once_a_round_and_each_attacked_case_at_most_twice():
    target, cases = label_box(), toy_cases(20)
    ready = Distilled(AdvGAN(epochs=1, width=2), rounds=3, epochs=1).prepare(target, cases, BALL)
    assert target.meter.forwards == 3 * 20
    target.meter.forwards = 0
    found = ready.run(target, cases, BALL).found
    assert target.meter.forwards == 20 + int((~found).sum())


def test_claims_only_what_the_target_confirmed():
    target, cases = label_box(), toy_cases(40)
    attempts = Distilled(PGD(steps=5), rounds=1, epochs=1).run(target, cases, BALL)
    assert torch.equal(attempts.found, cases.goals.reached(target(attempts.inputs)))


def test_tells_how_well_the_copy_agrees():
    ready = Distilled(AdvGAN(epochs=1, width=2), epochs=1).prepare(label_box(), toy_cases(), BALL)
    assert ready.notes[0].startswith("the copy decides as the target does on ")
    assert ready.notes[1].startswith("the generator learned from 12 cases")
    assert Distilled().notes == ()


def test_reads_probabilities_scores_and_labels_alike():
    inner, inputs = toy_classifier(), toy_cases().inputs
    scores = inner(inputs)
    told = BlackBox(lambda x: inner(torch.from_numpy(x)).softmax(1), 4)
    assert torch.allclose(likelihoods(inner, inputs), scores.softmax(1))
    assert torch.allclose(likelihoods(told, inputs), scores.softmax(1), atol=1e-6)
    assert torch.equal(likelihoods(label_box(), inputs).argmax(1), scores.argmax(1))


def test_goes_on_from_its_folder_to_the_same_attempts(tmp_path):
    attack, cases = Distilled(AdvGAN(epochs=2, width=2), epochs=2), toy_cases()
    first = attack.prepare(toy_classifier(), cases, BALL, seed=1, workspace=tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training.pt")}
    again = attack.prepare(toy_classifier(), cases, BALL, seed=1, workspace=tmp_path)
    assert len(made) == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training.pt")} == made
    runs = [ready.run(toy_classifier(), cases, BALL).inputs for ready in (first, again)]
    assert torch.equal(*runs)


def test_refuses_what_cannot_work():
    with pytest.raises(InvalidSpec, match="Distilled needs rounds, epochs and width of 1 or more; got 0, 10 and 16"):
        Distilled(rounds=0)
    with pytest.raises(InvalidSpec, match="needs attacks"):
        Distilled(attack=3)
    with pytest.raises(InvalidCases, match="learns from cases, and there are none"):
        Distilled().prepare(toy_classifier(), toy_cases()[:0], BALL)
    with pytest.raises(Incompatible, match="needs a LpBall threat; got AnyText"):
        Distilled().run(toy_classifier(), toy_cases(), AnyText())
