"""The recipes' nets: shapes, and weights that a seed fixes."""

import pytest
import torch

from sparring.core.errors import InvalidSpec
from sparring.domains.image.nets import cifar10_classifier, digits_net, fashion_net, preact_resnet18


@pytest.mark.parametrize(
    ("make", "shape"),
    [(digits_net, (1, 8, 8)), (fashion_net, (1, 28, 28)), (lambda: preact_resnet18(width=4), (3, 32, 32))],
)
def test_maps_images_to_ten_logits(make, shape):
    assert make().eval()(torch.zeros(2, *shape)).shape == (2, 10)


def test_the_resnet_has_the_expected_number_of_weights():
    convolutions = 3 * 64 * 9 + 4 * 64 * 64 * 9
    for width in (128, 256, 512):
        convolutions += (width // 2) * width * (9 + 1) + 3 * width * width * 9  # the 1 is the shortcut
    norms = 2 * (4 * 64 + (64 + 3 * 128) + (128 + 3 * 256) + (256 + 3 * 512) + 512)
    assert sum(weight.numel() for weight in preact_resnet18().parameters()) == convolutions + norms + 5130 == 11_172_170


def test_the_seed_fixes_the_weights_and_no_global_generator_moves():
    before = torch.random.get_rng_state()
    one, same, other = digits_net(1), digits_net(1), digits_net(2)
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_cifar_classifier_normalises_inside():
    target = cifar10_classifier(width=4)
    assert target.mean is not None and target.classes == 10
    assert target(torch.zeros(2, 3, 32, 32, device=target.device)).shape == (2, 10)


def test_refuses_a_seed_that_is_no_number():
    with pytest.raises(InvalidSpec, match="needs a whole number as its seed; got 'a'"):
        digits_net("a")
