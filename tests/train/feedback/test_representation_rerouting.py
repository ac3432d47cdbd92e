"""Representation rerouting: cosine and distance by hand, gradients by differences, and the coefficients' way."""

import copy
import dataclasses
import math

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.layers import layer_states
from sparring.domains.language.tokens import encode
from sparring.domains.language.toy import toy_aims, toy_model, toy_open_chat
from sparring.domains.language.tune import Objective
from sparring.train.feedback import representation_rerouting
from sparring.train.feedback.material import Again, Mixed
from sparring.train.feedback.representation_rerouting import Ramp, RepresentationRerouting, Rerouted, Unmoved
from tests.train.feedback.obedience import SHORT
from tests.train.feedback.test_safe_behaviour import KEPT, MADE

CHAT, OTHER = toy_open_chat(), toy_model(seed=1)
TOKENS = encode(CHAT, ["one prompt", "another longer one"], ["yes", "well"], end=False)
PLACE = TOKENS.attention & (torch.arange(TOKENS.ids.shape[1]) >= 4)


def by_hand(compared):
    total = 0.0
    for row in range(2):
        told = []
        for layer in (1, 2):
            (then,), (now,) = layer_states(CHAT.model, TOKENS, (layer,)), layer_states(OTHER, TOKENS, (layer,))
            told += [float(compared(then[row, k], now[row, k])) for k in PLACE[row].nonzero()[:, 0].tolist()]
        total += sum(told) / len(told)
    return total


def test_rerouting_is_the_mean_of_what_is_missing_to_right_angles_over_tokens_and_layers(monkeypatch):
    monkeypatch.setattr(representation_rerouting, "_ASIDE", 0.0)
    found = Rerouted(CHAT, TOKENS, PLACE, (1, 2)).loss(OTHER, torch.arange(2), Seed(0))["loss"]
    with torch.no_grad():
        expected = by_hand(
            lambda then, now: max(0.0, 1 - math.acos(float(then @ now / then.norm() / now.norm())) * 2 / math.pi)
        )
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)


def test_what_must_not_move_is_measured_by_distance_over_norm():
    found = Unmoved(CHAT, TOKENS, PLACE, (1, 2)).loss(OTHER, torch.arange(2), Seed(0))["loss"]
    with torch.no_grad():
        expected = by_hand(lambda then, now: (now - then).norm() / then.norm())
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)


def test_at_the_start_attacks_are_wholly_as_they_were_and_benign_items_pull_nowhere():
    model = copy.deepcopy(CHAT.model)
    rerouted = Rerouted(CHAT, TOKENS, PLACE, (1,)).loss(model, torch.arange(2), Seed(0))["loss"]
    assert float(rerouted.detach()) == pytest.approx(2.0, rel=0.05)
    rerouted.backward()  # there is a way out of the beginning, though a cosine of 1 has none
    assert float(model.model.layers[0].mlp.up_proj.weight.grad.norm()) > 0.1
    model.zero_grad()
    told = Unmoved(CHAT, TOKENS[torch.arange(2)], PLACE, (1, 2)).loss(model, torch.arange(2), Seed(0))["loss"]
    told.backward()
    assert float(told.detach()) == 0
    assert all(weight.grad is None or not bool(weight.grad.any()) for weight in model.parameters())


@pytest.mark.parametrize("kind", [Rerouted, Unmoved])
def test_gradients_are_those_of_finite_differences(kind):
    model = copy.deepcopy(OTHER).double()
    lesson = kind(CHAT, TOKENS, PLACE, (1, 2))
    lesson.before = [one.double() for one in lesson.before]
    lesson.loss(model, torch.arange(2), Seed(0))["loss"].backward()
    weight = model.model.layers[0].mlp.up_proj.weight
    direction = weight.grad / weight.grad.norm()
    told = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight.add_(step * direction)
            told.append(float(lesson.loss(model, torch.arange(2), Seed(0))["loss"]))
            weight.sub_(step * direction)
    slope = float((weight.grad * direction).sum())
    assert (told[0] - told[1]) / 2e-2 == pytest.approx(slope, rel=2e-2, abs=1e-4)


def test_coefficients_go_from_one_and_nothing_to_a_half_each():
    lesson = RepresentationRerouting(retention=3.0).objective(CHAT, MADE, KEPT)
    for done, (reroute, hold) in ((0.0, (1.0, 0.0)), (0.5, (0.75, 0.25)), (1.0, (0.5, 0.5))):
        now = lesson.at(done)
        assert [part.weight for part, _ in now.parts] == [reroute, hold]
        both = now.loss(OTHER, torch.tensor([0, 3]), Seed(0))
        expected = reroute * both["rerouted"] + 3.0 * hold * both["unmoved"]
        assert float(both["loss"].detach()) == pytest.approx(float(expected), rel=1e-5)


class Progressive(Objective):
    size = 2

    def __init__(self, done=0.0):
        self.done = done

    def at(self, done):
        return Progressive(done)

    def loss(self, model, index, seed):
        return {"loss": torch.tensor(self.done * len(index))}


def test_progress_is_handed_down_to_every_part():
    lesson = Mixed([(Again(Progressive(), 4), 1.0), (Ramp(Progressive(), 0.0, 2.0), 1.0)]).at(0.5)
    assert float(lesson.loss(None, torch.tensor([0, 3]), Seed(0))["loss"]) == 1.0
    assert float(lesson.loss(None, torch.tensor([4, 5]), Seed(0))["loss"]) == 1.0  # 0.5 each, times the weight of 1


def test_only_tokens_from_the_adversarys_first_one_on_are_rerouted():
    (rerouted, _), _ = RepresentationRerouting().objective(CHAT, MADE, KEPT).parts
    lesson = rerouted.objective
    told = [CHAT.tokenizer.decode(lesson.tokens.ids[k][lesson.place[k]]) for k in range(2)]
    assert told == ["say AA", "say BB"]  # the last five letters of each prompt, and what obeys


def test_training_turns_the_states_of_attacks_away():
    lesson = RepresentationRerouting(depths=(0.5,))
    schedule = dataclasses.replace(lesson.schedule, peak=2e-2)
    hardened = dataclasses.replace(lesson, steps=30, retention=5.0, schedule=schedule).harden(CHAT, toy_aims(4))
    attacked = lesson.objective(CHAT, MADE, KEPT).parts[0][0].objective
    turned = float(attacked.loss(hardened.model, torch.arange(2), Seed(0))["loss"].detach()) / 2
    assert turned < 0.5


def test_blocks_behind_the_deepest_layer_stay_as_they_were():
    hardened = RepresentationRerouting(**SHORT, depths=(0.5,)).harden(CHAT, toy_aims(4))
    changed = [
        [not torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True)]
        for one, two in zip(hardened.model.model.layers, CHAT.model.model.layers, strict=True)
    ]
    assert any(changed[0])
    assert not any(changed[1])
