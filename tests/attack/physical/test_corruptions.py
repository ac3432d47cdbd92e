"""The corruption attack keeps the worst kind, asks for labels alone, and keeps within the threat."""

import pytest
import torch

from sparring.attack.physical.corruptions import Corruptions
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.goal import Misclassify
from sparring.domains.image.corruption import KINDS
from sparring.domains.image.target import LabelBox
from sparring.domains.image.threat import Corruption


def pictures(count: int = 3) -> Cases:
    images = 0.3 + 0.4 * torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Cases([f"p{i}" for i in range(count)], images, Misclassify(torch.zeros(count).long()))


def test_finds_the_one_kind_that_the_model_cannot_stand():
    cases, threat = pictures(), Corruption(3)
    dark = threat.render(cases, "darkness", 3)
    limit = float(dark.flatten(1).mean(1).max()) + 1e-4
    target = LabelBox(lambda x: (x.reshape(len(x), -1).mean(1) < limit).astype(int), 2)
    attempts = Corruptions().run(target, cases, threat)
    assert bool(attempts.found.all())
    assert torch.allclose(attempts.inputs, dark)
    others = Corruptions(tuple(kind for kind in KINDS if kind != "darkness")).run(target, cases, threat)
    assert not bool(others.found.any())


def test_each_kind_is_an_attack_with_a_name_of_its_own():
    each = Corruptions.each(2)
    assert [attack.kinds for attack in each] == [(kind,) for kind in KINDS]
    assert each[0].name == "physical.corruptions:gaussian_noise"
    assert Corruptions().name == "physical.corruptions"


def test_refuses_settings_that_it_cannot_use():
    with pytest.raises(InvalidSpec, match=r"corruption must be one of gaussian_noise.*; got 'rain'"):
        Corruptions(("rain",))
    with pytest.raises(InvalidSpec, match="one kind or more"):
        Corruptions(())
    with pytest.raises(InvalidSpec, match="from 1 to 5; got 6"):
        Corruptions(severity=6)
    with pytest.raises(InvalidSpec, match="set to severity 4, but the threat allows 2"):
        Corruptions(severity=4).run(LabelBox(lambda x: [0] * len(x), 2), pictures(), Corruption(2))
