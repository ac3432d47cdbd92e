"""The nets that write, paint and clean images."""

import pytest
import torch

from sparring.core.ball import LpBall, lp_norm
from sparring.core.errors import Incompatible, InvalidCases
from sparring.core.goal import ClassifyAmong, ClassifyAs, Misclassify
from sparring.core.seed import Seed
from sparring.domains.image.generators import (
    Cleaner,
    Critic,
    Painter,
    Perturber,
    aims_of,
    attempts_of,
    check_images,
    seeded,
)

SHAPES = [(1, 4, 4), (1, 6, 6), (1, 8, 8), (3, 9, 7), (1, 28, 28), (3, 32, 32)]


def images(shape, count=3):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_net_takes_images_of_any_size(shape):
    inputs, labels = images(shape), torch.tensor([0, 1, 2])
    assert Perturber(shape[0], 3, 2, "inf")(inputs, labels).shape == inputs.shape
    assert Perturber(shape[0], 3, 2, 2, hints=shape[0])(inputs, labels, inputs).shape == inputs.shape
    assert Cleaner(shape[0], 2)(inputs).shape == inputs.shape
    assert Critic(shape[0], 2)(inputs).shape == (3,)
    painted = Painter(shape, 3, 2)(torch.randn(3, 64), labels)
    assert painted.shape == inputs.shape
    assert bool(((painted >= 0) & (painted <= 1)).all())


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_a_change_is_at_most_as_long_as_the_radius(norm):
    threat, inputs = LpBall(norm, 0.3), 0.3 + 0.4 * images((1, 8, 8))
    net = Perturber(1, 3, 2, norm)
    attempts = attempts_of(net, inputs, torch.tensor([0, 1, 2]), threat)
    lengths = lp_norm(attempts.detach() - inputs, norm)
    assert bool((lengths <= 0.3 + 1e-5).all())
    assert bool((lengths > 0.25).all())  # a generator that stays at home would pass the line above


def test_the_threat_cuts_off_what_leaves_the_box_and_the_gradient_still_passes():
    inputs = torch.zeros(2, 1, 8, 8)
    net = Perturber(1, 2, 2, "inf")
    attempts = attempts_of(net, inputs, torch.tensor([0, 1]), LpBall("inf", 0.5))
    assert float(attempts.detach().min()) == 0.0
    attempts.sum().backward()
    assert float(net.body.out.weight.grad.abs().sum()) > 0


def test_an_untrained_cleaner_changes_nothing():
    inputs = images((1, 8, 8))
    assert torch.equal(Cleaner(1, 2)(inputs), inputs)


def test_a_painter_paints_by_class_and_by_number():
    painter = Painter((1, 8, 8), 3, 2).eval()
    noise = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    one, other = painter(noise, torch.tensor([0, 0])), painter(noise, torch.tensor([1, 1]))
    assert not torch.allclose(one[0], one[1])
    assert not torch.allclose(one, other)


def test_first_weights_follow_from_the_seed_and_global_generators_stay():
    before = torch.random.get_rng_state()
    nets = [seeded(Seed(value), lambda: Perturber(1, 2, 2, "inf")) for value in (1, 1, 2)]
    assert torch.equal(nets[0].aim.weight, nets[1].aim.weight)
    assert not torch.equal(nets[0].aim.weight, nets[2].aim.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_aims_at_the_class_wanted_or_away_from_the_label():
    labels, wanted = torch.tensor([0, 1]), torch.tensor([2, 2])
    assert torch.equal(aims_of(Misclassify(labels)), labels)
    assert torch.equal(aims_of(ClassifyAs(wanted, labels)), wanted)
    assert torch.equal(aims_of(ClassifyAmong((1, 2), labels)), labels)
    with pytest.raises(Incompatible, match="goals with labels or targets; got object"):
        aims_of(object())


@pytest.mark.parametrize("shape", [(2, 5), (2, 1, 3, 9), (2, 1, 8)])
def test_refuses_what_is_no_image(shape):
    with pytest.raises(InvalidCases, match=r"x needs images of shape .* with sides of 4 or more; got"):
        check_images(torch.zeros(shape), "x")
