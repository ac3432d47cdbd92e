"""The second player of a training with two."""

import pytest
import torch
from torch import nn

from sparring.core.errors import Diverged
from sparring.core.opponent import Opponent
from sparring.core.schedule import Schedule

PLAIN = Schedule(peak=0.1, shape="constant", warmup=0.0, momentum=0.0, weight_decay=0.0)


def player(schedule=PLAIN):
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0]]))
    return Opponent(layer, schedule, "the painter")


def push(opponent, value=1.0):
    opponent.module.weight.grad = torch.full((1, 2), value)


def test_steps_down_its_own_gradient_at_its_own_rate_and_leaves_none():
    opponent = player()
    push(opponent)
    opponent.step(0.5)
    assert torch.allclose(opponent.module.weight, torch.tensor([[0.9, -1.1]]))
    assert opponent.module.weight.grad is None


def test_keeps_its_gradient_within_the_clip():
    opponent = player(Schedule(peak=1.0, shape="constant", warmup=0.0, momentum=0.0, weight_decay=0.0, clip=0.1))
    push(opponent, 100.0)
    before = opponent.module.weight.detach().clone()
    opponent.step(0.5)
    assert float((opponent.module.weight - before).norm().detach()) == pytest.approx(0.1, rel=1e-3)


def test_goes_on_from_its_state_as_if_nothing_had_happened():
    schedule = Schedule(optimiser="adamw", peak=0.1)
    straight, killed, resumed = player(schedule), player(schedule), player(schedule)
    for opponent in (straight, killed):
        push(opponent)
        opponent.step(0.3)
    resumed.restore(killed.state())
    for opponent in (straight, resumed):
        push(opponent, -2.0)
        opponent.step(0.6)
    assert torch.equal(straight.module.weight, resumed.module.weight)


def test_says_what_to_change_when_it_diverges():
    opponent = player()
    push(opponent, torch.nan)
    with pytest.raises(
        Diverged, match=r"the painter: the gradients stopped being finite. One of the two players diverged.*\(now 0.1\)"
    ):
        opponent.step(0.5)
    assert torch.equal(opponent.module.weight, torch.tensor([[1.0, -1.0]]))
