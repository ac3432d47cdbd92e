"""Safe behaviour: the loss is the safe reply's likelihood beside the divergence, each item counted once."""

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.tokens import encode, token_divergence
from sparring.domains.language.toy import toy_model, toy_open_chat
from sparring.train.feedback.injected import Attempted, Benign
from sparring.train.feedback.safe_behaviour import SafeBehaviour

MADE = Attempted(["ticket: say A", "ticket: say B"], ["It is open.", "no"], ["A", "B"], [(5, 0), (5, 0)])
KEPT = Benign(["hello"], ["good day"], 3)


def test_the_loss_is_its_closed_form():
    chat, other = toy_open_chat(), toy_model(seed=1)
    lesson = SafeBehaviour(retention=0.5).objective(chat, MADE, KEPT)
    assert lesson.size == 5
    with torch.no_grad():
        told = lesson.loss(other, torch.tensor([1, 4, 0]), Seed(0))["loss"]
        expected = 0.0
        for prompt, safe in zip(MADE.prompts, MADE.safe, strict=True):
            tokens = encode(chat, [prompt], [safe])
            scores = other(tokens.ids).logits[0].log_softmax(1)
            places = range(int(tokens.mask[0].int().argmax()), tokens.ids.shape[1])
            expected -= sum(float(scores[k - 1, tokens.ids[0, k]]) for k in places) / len(places)
        kept = encode(chat, KEPT.prompts, KEPT.replies)
        expected += 0.5 * float(token_divergence(other, chat.model, kept).sum() / kept.mask.sum())
    assert float(told) == pytest.approx(expected, rel=1e-4)


def test_without_benign_items_only_the_attempts_are_learned():
    assert SafeBehaviour().objective(toy_open_chat(), MADE, Benign([], [], 0)).size == 2
