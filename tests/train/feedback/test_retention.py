"""Retention: zero where nothing moved, the closed form elsewhere, and a gradient that pulls back."""

import copy

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.tokens import encode
from sparring.domains.language.tune import Continue, tune
from sparring.train.feedback.retention import Retained
from tests.domains.language.tiny import TinyChat
from tests.train.feedback.test_losses import ASKED, FAST, SAFE


def moved(chat):
    """The same model with a changed head."""
    other = copy.deepcopy(chat.model)
    with torch.no_grad():
        other.get_output_embeddings().weight.add_(0.3 * torch.randn(1, generator=torch.Generator().manual_seed(3)))
        for weight in other.base_model.parameters():
            weight.mul_(1.05)
    return other


def test_a_model_that_did_not_move_loses_nothing_and_is_pulled_nowhere():
    chat = TinyChat()
    model = copy.deepcopy(chat.model)
    told = Retained(chat, ASKED, SAFE).loss(model, torch.arange(4), Seed(0))["loss"]
    assert float(told.detach()) == pytest.approx(0, abs=1e-5)
    told.backward()
    assert max(float(weight.grad.abs().max()) for weight in model.parameters() if weight.grad is not None) < 1e-5


def test_is_the_divergence_of_whole_distributions_at_the_tokens_of_the_reply():
    chat = TinyChat()
    other = moved(chat)
    tokens = encode(chat, ASKED[:1], SAFE[:1])
    before, now = (
        torch.log_softmax(model(input_ids=tokens.ids).logits[0].float().detach(), 1) for model in (chat.model, other)
    )
    where = tokens.mask[0, 1:].nonzero()[:, 0]
    expected = (before.exp() * (before - now)).sum(1)[where].mean()
    told = Retained(chat, ASKED[:1], SAFE[:1]).loss(other, torch.arange(1), Seed(0))["loss"]
    assert float(expected) > 1e-4
    assert float(told.detach()) == pytest.approx(float(expected), rel=1e-3)


def test_learning_from_it_brings_a_model_back():
    chat = TinyChat()
    away = chat.with_model(tune(chat, Continue(chat, ASKED, SAFE), schedule=FAST, epochs=6).model)
    retained = Retained(chat, ASKED * 4, SAFE * 4)

    def distance(target):
        return float(retained.loss(target.model, torch.arange(16), Seed(0))["loss"].detach())

    back = tune(away, retained, schedule=FAST, epochs=6)
    assert distance(back) < 0.3 * distance(away)
