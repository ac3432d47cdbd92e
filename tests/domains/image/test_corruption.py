"""Natural corruptions: closed forms, severities that grow, draws that belong to the case."""

import itertools

import pytest
import torch

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.image.corruption import KINDS, corrupt

SHAPES = [(1, 8, 8), (3, 32, 32), (2, 20, 28)]


def images(*shape: int, count: int = 6) -> torch.Tensor:
    rough = torch.rand(count, shape[0], 5, 5, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(rough, shape[1:], mode="bilinear")


def streams(count: int = 6):
    return Seed(0).stream([f"c{i}" for i in range(count)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_keeps_shape_and_box_and_is_the_same_again_for_every_size(kind, shape):
    inputs = images(*shape)
    before = inputs.clone()
    once, again = corrupt(kind, inputs, 4, streams()), corrupt(kind, inputs, 4, streams())
    assert once.shape == inputs.shape and once.dtype == torch.float32
    assert float(once.min()) >= 0 and float(once.max()) <= 1
    assert torch.equal(once, again)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_lies_further_from_the_picture_than_the_one_below(kind):
    inputs = images(3, 32, 32, count=16)
    far = [
        (corrupt(kind, inputs, severity, streams(16)) - inputs).flatten(1).norm(dim=1).mean() for severity in range(6)
    ]
    assert far[0] == 0
    assert all(one < other for one, other in itertools.pairwise(far)), far


@pytest.mark.parametrize("kind", KINDS)
def test_draws_belong_to_the_case_and_not_to_the_batch(kind):
    inputs, whole = images(1, 12, 12), streams()
    together = corrupt(kind, inputs, 3, whole)
    alone = torch.cat([corrupt(kind, inputs[i : i + 1], 3, whole[i : i + 1]) for i in range(6)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_contrast_keeps_the_mean_and_a_share_of_the_deviation():
    inputs = images(3, 16, 16)
    faded = corrupt("contrast", inputs, 3, streams())
    assert torch.allclose(faded.mean((2, 3)), inputs.mean((2, 3)), atol=1e-6)
    assert torch.allclose(faded.std((2, 3)), 0.40 * inputs.std((2, 3)), atol=1e-6)


def test_brightness_adds_and_darkness_multiplies():
    inputs = 0.4 * images(1, 8, 8)
    assert torch.allclose(corrupt("brightness", inputs, 2, streams()), inputs + 0.2)
    assert torch.allclose(corrupt("darkness", inputs, 3, streams()), inputs * 0.5)


def test_gaussian_noise_has_the_deviation_it_says():
    noise = corrupt("gaussian_noise", torch.full((6, 3, 64, 64), 0.5), 3, streams()) - 0.5
    assert float(noise.std()) == pytest.approx(0.10, rel=0.02)


def test_shot_noise_has_the_variance_of_so_many_photons():
    noise = corrupt("shot_noise", torch.full((6, 3, 64, 64), 0.5), 1, streams()) - 0.5
    assert float(noise.var()) == pytest.approx(0.5 / 150, rel=0.05)


def test_impulse_noise_turns_a_share_of_the_values_to_salt_or_pepper():
    noisy = corrupt("impulse_noise", torch.full((6, 3, 64, 64), 0.5), 4, streams())
    assert float((noisy != 0.5).float().mean()) == pytest.approx(0.10, rel=0.05)
    assert float((noisy == 1).float().mean()) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("kind", ["gaussian_blur", "motion_blur", "pixelate", "jpeg"])
def test_leaves_a_plain_picture_plain(kind):
    plain = torch.full((2, 3, 16, 16), 0.6)
    coarse = 0.03 if kind == "jpeg" else 1e-5  # JPEG of quality 10 rounds a plain block to one of 13 greys
    assert torch.allclose(corrupt(kind, plain, 5, streams(2)), plain, atol=coarse)


def test_occlusion_covers_a_square_in_one_grey():
    inputs = images(3, 100, 100)
    changed = (corrupt("occlusion", inputs, 2, streams()) != inputs).any(1)
    for one in changed:
        where = one.nonzero()
        height, width = (where.amax(0) - where.amin(0) + 1).tolist()
        assert height <= 22 + 1 and width <= 22 + 1
        assert int(one.sum()) == height * width


def test_refuses_unknown_kinds_and_severities():
    with pytest.raises(InvalidSpec, match=r"corruption must be one of gaussian_noise, .*occlusion; got 'rain'"):
        corrupt("rain", images(1, 8, 8), 1, streams())
    with pytest.raises(InvalidSpec, match="severity must be a whole number from 0 to 5; got 6"):
        corrupt("haze", images(1, 8, 8), 6, streams())
