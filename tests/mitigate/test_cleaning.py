"""How a purifier learns: what is shown beside what is wanted, and both players of its second loss."""

import pytest
import torch
from torch import nn

from sparring.core.fit import Step, fit
from sparring.core.opponent import Opponent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.image.toy import toy_cases
from sparring.mitigate.cleaning import Cleaning, Pairs

SCHEDULE = Schedule(batch=16, optimiser="adamw", peak=1e-2, shape="constant", warmup=0.0, weight_decay=0.0)


def pairs(count=24, seed=0):
    """Two attacks: one adds a chequered pattern, the other brightens."""
    cases = toy_cases(count, seed=seed)
    pattern = 0.15 * (1 - 2 * ((torch.arange(6)[:, None] + torch.arange(6)) % 2)).float()
    return Pairs(cases, [cases.inputs + pattern, cases.inputs + 0.2])


def lesson(adversarial=0.0):
    return Cleaning(pairs(), pairs(seed=9), 4, adversarial, SCHEDULE, Seed(0))


def step(of, number=0):
    return Step(number, 0, 0.0, torch.arange(of.size), Seed(number))


def test_every_attempt_and_every_untouched_image_stands_beside_the_image_that_is_wanted():
    material = pairs(5)
    shown, wanted = material[torch.tensor([1, 14, 5, 4, 9, 10])]
    clean, (first, second) = material.cases.inputs, material.attempts.split(5)
    assert len(material) == 15
    assert torch.equal(shown, torch.stack([first[1], clean[4], second[0], first[4], second[4], clean[0]]))
    assert torch.equal(wanted, clean[[1, 4, 0, 4, 4, 0]])
    assert material.distance(material.attempts) == pytest.approx((0.15**2 + 0.2**2) / 2, rel=1e-4)
    assert material.distance(clean.repeat(2, 1, 1, 1)) == 0


def test_learns_to_take_out_what_attacks_put_in_and_to_leave_the_rest():
    learner = lesson()
    assert learner.validate()["val_error"] == pytest.approx(
        2 / 3, rel=1e-4
    )  # two attempts of error 1 in their own unit, and one image of 0
    fit(learner, epochs=40, schedule=SCHEDULE)
    assert learner.validate()["val_error"] < 0.15
    shown, wanted = learner.held[torch.arange(48, 72)]
    assert float((learner.net(shown) - wanted).detach().square().mean()) < 0.15 * learner.unit


class Brightness(nn.Module):
    """A critic that takes bright images for purified ones."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        return self.weight * (images.flatten(1).mean(1) - 0.5)


def test_the_net_learns_to_look_like_what_its_critic_takes_for_untouched():
    sizes = []
    for weight in (0.0, 5.0):
        learner = lesson(weight)
        if weight:
            learner.critic = Opponent(Brightness(), Schedule(peak=1e-9, optimiser="adamw"), "brightness")
        fit(learner, epochs=10, schedule=SCHEDULE)
        shown, _ = learner.held[torch.arange(72)]
        sizes.append(float(learner.net(shown).detach().mean()))
    assert sizes[1] < sizes[0] - 0.02


def test_the_critic_learns_to_tell_purified_from_untouched_images_and_keeps_no_gradient():
    learner = lesson(1e-6)
    learner.pairs = Pairs(learner.pairs.cases, [1 - learner.pairs.cases.inputs.round()])  # nothing like the untouched
    learner.size, losses = len(learner.pairs), []
    for number in range(60):
        losses.append(float(learner.backward(step(learner, number))["critic"]) / learner.size)
        learner.net.zero_grad()  # the net itself stands still, and gives back what it is shown
    critic = learner.critic.module
    assert losses[0] == pytest.approx(2 * 0.6931, abs=0.1) and losses[-1] < losses[0] - 0.2
    scores = critic(learner.pairs.shown).detach().split(len(learner.pairs.cases))
    assert float(scores[0].mean()) > float(scores[1].mean()) + 1
    assert all(
        weight.requires_grad and not bool(weight.grad is not None and weight.grad.any())
        for weight in critic.parameters()
    )
