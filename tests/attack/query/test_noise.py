"""Noise baselines: rates in closed form on linear models, worst draws kept, sizes of the noise."""

import math

import pytest
import torch

from sparring.attack.query.gaussian_noise import GaussianNoise
from sparring.attack.query.uniform_noise import UniformNoise
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.target import Scored


class Threshold(Scored):
    """Class 1 where the sum of the pixels exceeds a limit."""

    classes = 2

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def respond(self, inputs):
        excess = inputs.flatten(1).sum(1) - self.limit
        return torch.stack([-excess, excess], 1)


def grey(count: int, side: int = 6) -> Cases:
    inputs = torch.full((count, 1, side, side), 0.5)
    return Cases([f"grey-{i}" for i in range(count)], inputs, Misclassify(torch.zeros(count, dtype=torch.long)))


@pytest.mark.parametrize("draws", [1, 4])
@pytest.mark.parametrize("noise", [UniformNoise, GaussianNoise])
def test_breaks_as_many_cases_as_the_normal_law_of_the_sum_predicts(noise, draws):
    radius, pixels = 0.1, 36
    clipped = 1 - math.sqrt(2 / (math.pi * math.e))  # variance of a standard normal number clamped to [-1, 1]
    spread = radius * math.sqrt(pixels * (1 / 3 if noise is UniformNoise else clipped))
    cases = grey(2000)
    attempts = noise(draws=draws).run(Threshold(0.5 * pixels + spread), cases, LpBall("inf", radius))
    once = 0.5 * math.erfc(1 / math.sqrt(2))  # one standard deviation above the mean
    assert float(attempts.found.float().mean()) == pytest.approx(1 - (1 - once) ** draws, abs=0.03)


@pytest.mark.parametrize("noise", [UniformNoise, GaussianNoise])
def test_keeps_the_worst_draw_and_asks_no_more_of_fooled_cases(noise):
    target, cases, threat = Threshold(1000.0), grey(20), LpBall("inf", 0.1)
    few, many = (noise(draws=draws).run(target, cases, threat).inputs.flatten(1).sum(1) for draws in (3, 30))
    assert bool((many >= few).all()) and bool((many > few).any())
    assert target.meter.forwards == 20 * 33
    easy = Threshold(18.0)
    assert bool(noise(draws=50).run(easy, cases, threat).found.all())
    assert easy.meter.forwards < 20 * 10


@pytest.mark.parametrize("norm", [2, 1])
def test_gaussian_noise_reaches_the_surface_of_the_ball(norm):
    attempts = GaussianNoise(draws=2).run(Threshold(1000.0), grey(5), LpBall(norm, 0.3))
    assert torch.allclose(lp_norm(attempts.inputs - 0.5, norm), torch.tensor(0.3), atol=1e-4)


@pytest.mark.parametrize("noise", [UniformNoise, GaussianNoise])
def test_refuses_to_draw_nothing(noise):
    with pytest.raises(InvalidSpec, match="needs draws of 1 or more; got 0"):
        noise(draws=0)
