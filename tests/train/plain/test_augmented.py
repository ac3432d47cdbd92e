"""Augmented training: shifts, rotations, noise and flips do what their numbers say."""

import math

import pytest
import torch

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.goal import Misclassify
from sparring.core.seed import Seed
from sparring.core.training import Batch
from sparring.domains.image.toy import toy_classifier
from sparring.train.plain.augmented import Augmented

IMAGES = torch.rand(64, 1, 9, 9, generator=torch.Generator().manual_seed(0))


def moved(training, images=IMAGES):
    stream = Seed(0).stream([str(i) for i in range(len(images))])
    return training.perturb(
        Batch(toy_classifier(), images, None, None, None, stream, torch.arange(len(images)), len(images), {})
    )


def test_nothing_asked_is_nothing_done():
    assert torch.allclose(moved(Augmented(shift=0.0, rotation=0.0, noise=0.0)), IMAGES, atol=1e-5)


def test_flips_mirror_about_half_of_the_images_and_touch_no_other():
    result = moved(Augmented(shift=0.0, rotation=0.0, noise=0.0, flip=True))
    same = torch.isclose(result, IMAGES, atol=1e-5).flatten(1).all(1)
    mirrored = torch.isclose(result, IMAGES.flip(3), atol=1e-5).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 16 < int(mirrored.sum()) < 48


def test_noise_has_the_standard_deviation_asked_for():
    grey = torch.full((64, 1, 9, 9), 0.5)
    grey[0, 0, 0, 0], grey[0, 0, 0, 1] = 0.0, 1.0
    noise = moved(Augmented(shift=0.0, rotation=0.0, noise=0.1), grey)[1:] - 0.5
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(("setting", "farthest"), [({"shift": 0.2, "rotation": 0.0}, 0.2 * 9 * math.sqrt(2)),
                                                   ({"shift": 0.0, "rotation": 30.0}, 3 * math.radians(30))])  # fmt: skip
def test_a_bright_spot_moves_no_farther_than_allowed_but_moves(setting, farthest):
    images = torch.zeros(64, 1, 9, 9)
    images[:, 0, 4, 7] = 1.0  # three pixels right of the centre
    spots = moved(Augmented(noise=0.0, **setting), images)
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    mass = spots.sum((1, 2, 3))
    seen = mass > 0.9
    at = torch.stack([(spots[:, 0] * axis).sum((1, 2)) / mass.clamp_min(1e-6) for axis in (rows, columns)], 1)[seen]
    distance = (at - torch.tensor([4.0, 7.0])).norm(dim=1)
    assert float(distance.max()) <= farthest + 0.1
    assert float(distance.max()) > farthest / 2


def test_refuses_what_is_not_an_image():
    rows = Cases(["a", "b"], torch.rand(2, 5), Misclassify(torch.tensor([0, 1])))
    net = torch.nn.Linear(5, 2)
    with pytest.raises(Incompatible, match=r"needs images of shape \(batch, channel, height, width\); got "):
        Augmented().harden(type(toy_classifier())(net, 2), rows)
