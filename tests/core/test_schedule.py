"""Schedules: the learning rate over time, and what they refuse."""

import pytest
import torch
from torch import nn

from sparring.core.errors import InvalidSpec
from sparring.core.schedule import Schedule


def test_every_shape_rises_linearly_to_its_peak():
    for shape in ("one-cycle", "cosine", "piecewise", "constant"):
        schedule = Schedule(peak=0.4, shape=shape, warmup=0.2)
        assert schedule.rate(0.1) == pytest.approx(0.2)
        assert schedule.rate(0.2) == pytest.approx(0.4)


def test_each_shape_falls_as_its_name_says():
    rates = {shape: Schedule(peak=1.0, shape=shape, warmup=0.0).rate for shape in ("one-cycle", "cosine", "piecewise")}
    assert rates["one-cycle"](0.25) == pytest.approx(0.75)
    assert rates["one-cycle"](1.0) == 0
    assert rates["cosine"](0.5) == pytest.approx(0.5)
    assert rates["cosine"](1.0) == pytest.approx(0.0)
    assert [rates["piecewise"](done) for done in (0.4, 0.6, 0.9)] == pytest.approx([1.0, 0.1, 0.01])


def test_weight_decay_spares_biases_and_normalisation():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = Schedule(weight_decay=0.1).optimiser_of(net).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 1), (0.0, 3)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "adam"}, "optimiser must be sgd or adamw; got 'adam'"),
        ({"shape": "linear"}, "shape must be one of one-cycle, cosine, piecewise, constant; got 'linear'"),
        ({"batch": 0}, "positive batch and peak; got 0"),
        ({"peak": 0.0}, "positive batch and peak"),
        ({"warmup": 1.0}, r"warmup and momentum lie in \[0, 1\)"),
        ({"clip": 0.0}, "clip must be positive"),
    ],
)
def test_refuses_settings_outside_their_range(settings, message):
    with pytest.raises(InvalidSpec, match=message):
        Schedule(**settings)


def test_refuses_a_module_without_anything_to_train():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(InvalidSpec, match="nothing to train"):
        Schedule().optimiser_of(frozen)
    assert torch.is_grad_enabled()
