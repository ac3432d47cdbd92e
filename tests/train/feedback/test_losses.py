"""The losses of the repairs against their closed forms, and what they do to a tiny model."""

import math

import pytest
import torch

from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.language.tokens import encode, token_log_probs
from sparring.domains.language.tune import Continue, tune
from sparring.train.feedback.material import Again, Failures, Mixed
from sparring.train.feedback.preference import Preferred, preference
from sparring.train.feedback.unlikelihood import Unlikely, unlikelihood
from tests.domains.language.tiny import TinyChat

FAST = Schedule(batch=4, optimiser="adamw", peak=2e-2, shape="constant", warmup=0.0, weight_decay=0.0, clip=1.0)
ASKED, HARMFUL, SAFE = [f"u:{k} number|a:" for k in "abcd"], ["555010"] * 4, ["ask them"] * 4


def test_unlikelihood_is_its_closed_form_on_three_tokens():
    scores = torch.tensor([[0.0, math.log(2.0), math.log(5.0)]])
    for label, share in enumerate((1 / 8, 2 / 8, 5 / 8)):
        value, counted = unlikelihood(scores, torch.tensor([label]))
        assert float(value) == pytest.approx(-math.log(1 - share), rel=1e-6)
        assert counted.tolist() == [True]


def test_the_gradient_does_not_vanish_where_the_label_is_nearly_certain():
    scores = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)  # 1 - p is 0 in float32
    value, _ = unlikelihood(scores, torch.tensor([0]))
    value.sum().backward()
    assert float(value.detach()) == pytest.approx(60 - math.log(2), rel=1e-6)
    assert scores.grad[0].tolist() == pytest.approx([1.0, -0.5, -0.5])
    clamped = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
    (-torch.log((1 - clamped.softmax(1)[0, 0]).clamp(min=1e-6))).backward()
    assert not clamped.grad.any()  # what the usual formula gives


def test_tokens_that_are_unlikely_already_are_left_out():
    scores = torch.tensor([[0.0, 4.9], [0.0, 5.1]])
    assert unlikelihood(scores, torch.tensor([0, 0]))[1].tolist() == [True, False]


def test_preference_is_its_closed_form():
    safe, harmful = torch.tensor([2.0, -1.0, 0.0]), torch.tensor([-1.0, 3.0, 0.0])
    expected = [math.log(1 + math.exp(-0.1 * gap)) for gap in (3.0, -4.0, 0.0)]
    assert preference(safe, harmful, 0.1).tolist() == pytest.approx(expected, rel=1e-6)


def test_preference_starts_at_log_two_and_takes_reference_and_model_apart():
    chat = TinyChat()
    pairs = Failures(ASKED, HARMFUL, SAFE)
    told = Preferred(chat, pairs, 0.5).loss(chat.model, torch.arange(4), Seed(0))
    assert float(told["loss"].detach()) == pytest.approx(4 * math.log(2), rel=1e-4)
    other = TinyChat(seed=1).with_model(tune(chat, Continue(chat, ASKED, SAFE), schedule=FAST, epochs=4).model)
    gains = [
        token_log_probs(model, encode(chat, ASKED, texts)).sum(1).detach()
        for model in (other.model, chat.model)
        for texts in (SAFE, HARMFUL)
    ]
    expected = preference(gains[0] - gains[2], gains[1] - gains[3], 0.5).sum()
    found = Preferred(chat, pairs, 0.5).loss(other.model, torch.arange(4), Seed(0))
    assert float(found["loss"].detach()) == pytest.approx(float(expected), rel=1e-4)
    assert float(found["preferred"]) == 4


def test_mixed_items_keep_their_own_losses_and_weights():
    chat = TinyChat()
    one, two = Unlikely(chat, ASKED, HARMFUL), Continue(chat, ASKED[:2], SAFE[:2])
    mixed = Mixed([(one, 1.0), (two, 0.25)])
    assert mixed.size == 6
    told = mixed.loss(chat.model, torch.tensor([5, 0, 3]), Seed(0))
    first = one.loss(chat.model, torch.tensor([0, 3]), Seed(0))["loss"]
    second = two.loss(chat.model, torch.tensor([1]), Seed(0))["loss"]
    assert float(told["loss"].detach()) == pytest.approx(float((first + 0.25 * second).detach()), rel=1e-5)
    assert float(told["continue"]) == pytest.approx(float(second.detach()), rel=1e-5)


def test_few_items_are_gone_through_again():
    chat = TinyChat()
    once = Continue(chat, ASKED[:3], SAFE[:3])
    again = Again(once, 8)
    assert torch.equal(again.lengths, once.lengths[[0, 1, 2, 0, 1, 2, 0, 1]])
    told = [
        float(one.loss(chat.model, torch.tensor([k]), Seed(0))["loss"].detach()) for one, k in ((again, 7), (once, 1))
    ]
    assert told[0] == told[1]


def test_unlikelihood_makes_the_harmful_reply_improbable_and_keeps_the_benign_one():
    chat = TinyChat()
    learned = tune(
        chat, Continue(chat, [*ASKED, "u:hello|a:"], [*HARMFUL, "good day"]), schedule=FAST, epochs=30, full=True
    )

    def told(target, text, prompt):
        return float(target.log_probabilities([prompt], [text])[0].mean().exp())

    assert told(learned, HARMFUL[0], ASKED[0]) > 0.5
    mixed = Mixed(
        [(Unlikely(learned, ASKED, HARMFUL), 1.0), (Continue(learned, ["u:hello|a:"] * 4, ["good day"] * 4), 1.0)]
    )
    repaired = tune(learned, mixed, schedule=FAST, epochs=8)
    assert told(repaired, HARMFUL[0], ASKED[0]) < 0.2
    assert told(repaired, "good day", "u:hello|a:") > 0.5
