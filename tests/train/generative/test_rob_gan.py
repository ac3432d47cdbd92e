"""A classifier that is a discriminator too: what counts as real, what the painter climbs, what is refused."""

import base64
import io
import math

import pytest
import torch
from PIL import Image

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.fit import fit
from sparring.core.goal import Misclassify
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.validation import Validation
from sparring.domains.image.data import digits
from sparring.domains.image.nets import digits_net
from sparring.domains.image.target import Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.train.generative.rob_gan import Painting, RobGAN, mass, pleased
from sparring.train.plain.standard import Standard
from tests.train.generative.test_generative_training import toy_images
from tests.train.lessons import small_net

BALL = LpBall("inf", 0.12)


def test_an_image_is_as_real_as_its_logits_have_mass():
    assert mass(torch.zeros(2, 10)).abs().max() < 1e-6
    assert float(mass(torch.full((1, 4), 3.0))) == pytest.approx(3.0)
    chance = torch.sigmoid(mass(torch.tensor([[1.0, 2.0, 0.0]])))
    mean = (math.e + math.e**2 + 1) / 3
    assert float(chance) == pytest.approx(mean / (mean + 1))


def test_the_painter_is_pleased_by_mass_on_the_right_class():
    labels = torch.tensor([0, 0, 0])
    logits = torch.tensor([[5.0, 0.0], [0.0, 5.0], [-5.0, -9.0]])
    values = pleased(labels)(logits)
    assert values[0] > values[1]
    assert values[0] > values[2]


def test_paints_digits_that_another_net_reads():
    """A net trained on real digits alone reads what the painter was asked for, and no class is one image."""
    data = digits("train")
    gan = RobGAN(None, None, epochs=12, painting=1.0, source=1.0, trust=0.05, width=4, schedule=Schedule(batch=64))
    lesson = Painting(gan, Classifier(digits_net(0), 10), data, Seed(0))
    fit(lesson, epochs=gan.epochs, schedule=gan.schedule, seed=Seed(0))
    labels = torch.arange(10).repeat_interleave(20)
    reader = Standard(epochs=4, schedule=Schedule(batch=64)).harden(Classifier(digits_net(1), 10), data)
    painted = lesson.paint(labels, Seed(1))
    assert float((reader(painted).argmax(1) == labels).float().mean()) > 0.6
    assert lesson._variety() > 0.5


def test_the_last_part_is_fine_tuning_without_a_painter():
    training = RobGAN(PGD(steps=2), BALL, epochs=4, painting=0.5, width=2, schedule=Schedule(batch=10),
                      validation=Validation(share=0.0))  # fmt: skip
    hardened = training.harden(small_net(), toy_images(40))
    with_painter, without = 2 * 2 + 8, 2 * 2 + 3
    assert hardened.lineage[-1].forwards == 40 * 2 * (with_painter + without)


def test_the_report_gets_a_row_of_painted_images_for_each_class():
    step = (
        RobGAN(None, None, epochs=1, width=2, schedule=Schedule(batch=20))
        .harden(small_net(), toy_images(40))
        .lineage[-1]
    )
    picture = Image.open(io.BytesIO(base64.b64decode(step.panels[0].png)))
    assert picture.width * 10 == picture.height * 8
    assert step.families == ()
    assert "painter_variety" in step.history[0]


def test_refuses_data_in_which_a_class_has_no_case():
    cases = toy_cases()
    short = Cases(cases.ids, cases.inputs, Misclassify(cases.goals.labels % 3))
    with pytest.raises(
        InvalidCases, match=r"class 3 has no case to learn from \(1 of 4 classes have none\). Add cases"
    ):
        RobGAN(PGD(), BALL).harden(toy_classifier(), short)


def test_refuses_settings_outside_their_range():
    with pytest.raises(InvalidSpec, match=r"got 0\.5, 0\.0, 0\.2, 5\.0 and 16"):
        RobGAN(None, None, source=0.0)
    with pytest.raises(InvalidSpec, match="an attack and its threat, or neither of them"):
        RobGAN(None, BALL)
