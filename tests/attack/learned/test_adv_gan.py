"""The generator attack: it finds the closed-form optimum, aims where it is told, resumes, and refuses."""

import re

import pytest
import torch
from torch import nn

from sparring.attack.compose.bpda import straight_through
from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Diverged, Incompatible, InvalidCases, InvalidSpec, RunMismatch
from sparring.core.goal import ClassifyAs, Misclassify
from sparring.core.schedule import Schedule
from sparring.core.target import Differentiable
from sparring.domains.image.target import Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from tests.attack.physical.two_classes import drawn, grey_cases, two_classes


def fresh(count, seed):
    """Other cases that the toy classifier gets right, in every class."""
    images = toy_cases(count, seed=seed).inputs
    return Cases([f"fresh-{seed}-{k}" for k in range(count)], images, Misclassify(toy_classifier()(images).argmax(1)))


QUICK = Schedule(batch=16, optimiser="adamw", peak=1e-2, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=10.0)
BALL = LpBall("inf", 0.1)


def test_comes_close_to_the_closed_form_optimum_of_a_linear_model():
    """The best Linf step against a linear margin is `radius * sign(w)`, and gains `radius * |w|_1`."""
    weights = drawn(1, 8, 8)
    target, cases = two_classes(weights), grey_cases(32, (1, 8, 8))
    ready = AdvGAN(epochs=60, width=4, schedule=QUICK).prepare(target, cases, BALL)
    attempts = ready.write(cases, BALL)
    gained = cases.goals.margin(target(attempts)) - cases.goals.margin(target(cases.inputs))
    best = 0.1 * float(weights.abs().sum())
    assert float(gained.mean()) > 0.85 * best


def test_learns_on_some_cases_and_breaks_others():
    target = toy_classifier()
    learn, others = fresh(64, 5), fresh(64, 9)
    learned = AdvGAN(epochs=30, width=4, schedule=QUICK).prepare(target, learn, BALL)
    unlearned = AdvGAN(epochs=1, width=4, schedule=Schedule(batch=64, optimiser="adamw", peak=1e-9))
    share, dull = (
        float(ready.run(target, others, BALL).found.float().mean())
        for ready in (learned, unlearned.prepare(target, learn, BALL))
    )
    best = float(PGD(steps=20).run(target, others, BALL).found.float().mean())
    assert share > 0.8 * best
    assert dull < 0.4 * best


def test_goes_to_the_class_that_each_case_names():
    target, cases = toy_classifier(), fresh(64, 5)
    labels = cases.goals.labels
    aims = (labels + 1 + torch.arange(64) % 3) % 4
    goals = ClassifyAs(aims, labels)
    targeted = Cases(cases.ids, cases.inputs, goals)
    wide = LpBall("inf", 0.2)
    ready = AdvGAN(epochs=60, width=4, schedule=QUICK).prepare(target, targeted, wide)
    decided = target(ready.write(targeted, wide)).argmax(1)
    assert float((decided == aims).float().mean()) > 0.6


def test_a_critic_makes_attempts_harder_to_tell_and_weaker():
    target, cases = toy_classifier(), toy_cases(32)
    plain, shy = (
        AdvGAN(epochs=30, width=4, realism=weight, schedule=QUICK).prepare(target, cases, BALL)
        for weight in (0.0, 20.0)
    )
    margins = [float(cases.goals.margin(target(ready.write(cases, BALL))).mean()) for ready in (plain, shy)]
    assert margins[1] < margins[0]


def test_spends_two_forwards_at_most_and_one_where_it_succeeds():
    target, cases = toy_classifier(), toy_cases(32)
    ready = AdvGAN(epochs=30, width=4, schedule=QUICK).prepare(target, cases, LpBall("inf", 0.3))
    target.meter.forwards = 0
    found = ready.run(target, cases, LpBall("inf", 0.3)).found
    assert target.meter.forwards == 32 + int((~found).sum())
    assert target.meter.forwards < 64


def test_tells_what_it_learned():
    ready = AdvGAN(epochs=2).prepare(toy_classifier(), toy_cases(), BALL)
    assert ready.notes[0].startswith("the generator learned from 12 cases and fooled ")


class Stopping(Classifier):
    """A target on which somebody presses Ctrl-C at the so many-th gradient."""

    def __init__(self, at):
        super().__init__(toy_classifier().module, 4, name="toy")
        self.left = at

    def gradient(self, inputs, loss):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().gradient(inputs, loss)


@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_a_killed_generator_goes_on_to_the_same_weights(realism, tmp_path):
    attack = AdvGAN(epochs=4, width=2, realism=realism, schedule=Schedule(batch=4, optimiser="adamw"))
    cases = toy_cases()
    straight = attack.prepare(toy_classifier(), cases, BALL, seed=1)
    with pytest.raises(KeyboardInterrupt):
        attack.prepare(Stopping(8), cases, BALL, seed=1, workspace=tmp_path)
    resumed = attack.prepare(toy_classifier(), cases, BALL, seed=1, workspace=tmp_path)
    for one, other in zip(straight.generator.parameters(), resumed.generator.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(RunMismatch, match="seed was 1, now 2"):
        attack.prepare(toy_classifier(), cases, BALL, seed=2, workspace=tmp_path)


def test_at_radius_zero_it_leaves_every_case_alone():
    cases = toy_cases()
    attempts = AdvGAN(epochs=1).run(toy_classifier(), cases, LpBall("inf", 0.0))
    assert torch.equal(attempts.inputs, cases.inputs)
    assert not bool(attempts.found.any())


def test_a_target_that_answers_nan_stops_the_generator():
    target = toy_classifier()
    with torch.no_grad():
        target.module[1].bias.fill_(torch.nan)
    with pytest.raises(
        Diverged, match=r"train learned.adv_gan: the loss stopped being finite in epoch 1. Lower the schedule"
    ):
        AdvGAN(epochs=1).prepare(target, toy_cases(), BALL)


def test_refuses_what_it_cannot_learn_from():
    for wrong in ({"epochs": 0}, {"width": 0}, {"realism": -1.0}):
        with pytest.raises(InvalidSpec, match="epochs and width of 1 or more"):
            AdvGAN(**wrong)
    with pytest.raises(InvalidCases, match="learns from cases, and there are none"):
        AdvGAN().prepare(toy_classifier(), toy_cases()[:0], BALL)
    flat = toy_cases()
    flat = Cases(flat.ids, flat.inputs.flatten(1), flat.goals)
    with pytest.raises(InvalidCases, match=r"needs images of shape .*got \(12, 36\)"):
        AdvGAN().prepare(toy_classifier(), flat, BALL)
    ready = AdvGAN(epochs=1).prepare(toy_classifier(), toy_cases(), BALL)
    colour = Cases(["a"], torch.rand(1, 3, 6, 6), Misclassify(torch.tensor([0])))
    with pytest.raises(InvalidCases, match="learned from images of 1 channels; got 3"):
        ready.write(colour, BALL)


def test_needs_a_target_with_classes():
    class Bare(Differentiable):
        def forward(self, inputs):
            return inputs.flatten(1)[:, :4]

    with pytest.raises(Incompatible, match="needs a target with classes; got Bare"):
        AdvGAN().run(Bare(), toy_cases(), BALL)


def test_a_target_without_a_gradient_raises_a_red_flag():
    inner = toy_classifier()
    masked = Classifier(
        nn.Sequential(straight_through(lambda x: (x * 8).round() / 8, lambda x: 0 * x), inner.module), 4
    )
    ready = AdvGAN(epochs=1).prepare(masked, toy_cases(), BALL)
    assert re.match("the target gave no gradient on [0-9]+% of what the generator learned from", ready.doubts[0])
    assert AdvGAN(epochs=1).prepare(inner, toy_cases(), BALL).doubts == ()
    card = measure(masked, toy_cases(), BALL, attacks=[AdvGAN(epochs=1)])
    assert [flag.name for flag in card.flags] == ["blind-attacker"]
    assert any("of those measured here, which flatters it" in note for note in card.bouts[1].notes)
    assert any("nobody checked whether the gradients are masked" in note for note in card.notes)
