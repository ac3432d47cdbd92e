"""Masked defences are flagged, honest nets are not."""

import pytest
import torch
from torch import nn

from sparring.attack.masking import masking_flags
from sparring.core.ball import LpBall
from sparring.core.target import Target
from sparring.domains.image.data import digits
from sparring.domains.image.target import Classifier

THREATS = (LpBall("inf", 0.1), LpBall(2, 0.6), LpBall(1, 2.0))


def trained(adversarial: bool) -> nn.Module:
    """A small net on the digits; about a second."""
    cases = digits("train")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )
        optimiser = torch.optim.Adam(net.parameters(), 4e-3)
        for _ in range(20):
            for rows in torch.randperm(len(cases)).split(128):
                images, labels = cases.inputs[rows], cases.goals.labels[rows]
                change = torch.zeros_like(images)
                for _ in range(2 if adversarial else 0):
                    change.requires_grad_()
                    (slope,) = torch.autograd.grad(nn.functional.cross_entropy(net(images + change), labels), change)
                    change = (change.detach() + 0.07 * slope.sign()).clamp(-0.1, 0.1)
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(images + change), labels).backward()
                optimiser.step()
    return net


@pytest.fixture(scope="module")
def standard():
    return trained(adversarial=False)


@pytest.fixture(scope="module")
def robust():
    return trained(adversarial=True)


class Quantised(nn.Module):
    def forward(self, inputs):
        return torch.round(inputs * 8) / 8


class Noisy(nn.Module):
    def forward(self, inputs):
        return inputs + 0.1 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(self.draws()))

    def draws(self):
        self.count = getattr(self, "count", 0) + 1
        return self.count


class Times(nn.Module):
    def forward(self, logits):
        return 1000 * logits


def flags(net, threat, count=100):
    target = Classifier(net, 10)
    cases = digits("test")
    right = (~cases.goals.reached(target(cases.inputs))).nonzero().squeeze(1)[:count]
    return {flag.name: flag for flag in masking_flags(target, cases[right], threat, 0)}


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: str(threat.norm))
def test_an_honest_net_is_not_flagged_whether_robust_or_not(standard, robust, threat):
    assert flags(standard, threat) == {}
    assert flags(robust, threat) == {}


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: str(threat.norm))
def test_a_net_that_rounds_its_input_is_flagged(robust, threat):
    found = flags(nn.Sequential(Quantised(), robust), threat)
    assert found["zero-gradient"].figure == 1.0


def test_a_rounding_net_is_flagged_because_queries_beat_gradients(standard):
    found = flags(nn.Sequential(Quantised(), standard), LpBall("inf", 0.2))
    assert "queries-beat-gradient" in found
    assert "of 100 cases" in found["queries-beat-gradient"].text


def test_a_random_transform_is_flagged(standard):
    assert "random-answers" in flags(nn.Sequential(Noisy(), standard), LpBall("inf", 0.1))


def test_scores_so_large_that_cross_entropy_underflows_are_flagged(standard, robust):
    for net in (standard, robust):
        found = flags(nn.Sequential(net, Times()), LpBall("inf", 0.1))
        assert found["saturated-scores"].figure > 0.5
        assert "zero-gradient" not in found


def test_nothing_is_said_about_no_cases_or_a_target_that_answers_in_words():
    class Chat(Target):
        def respond(self, inputs):
            return ["hello"] * len(inputs)

    assert masking_flags(Chat(), digits("test")[:3], LpBall("inf", 0.1), 0) == []
    assert masking_flags(Chat(), digits("test")[:0], LpBall("inf", 0.1), 0) == []
