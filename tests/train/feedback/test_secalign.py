"""SecAlign: the loss is the preference of the safe reply over the one that obeys, by the shared formula."""

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.tokens import encode, token_log_probs
from sparring.domains.language.toy import toy_aims, toy_model, toy_open_chat
from sparring.train.feedback.front_end import FrontEnd
from sparring.train.feedback.injected import Benign
from sparring.train.feedback.preference import preference
from sparring.train.feedback.secalign import SecAlign
from tests.train.feedback.obedience import SHORT
from tests.train.feedback.test_safe_behaviour import KEPT, MADE


def test_the_loss_is_that_of_the_preference_with_the_safe_reply_first():
    chat, other = toy_open_chat(), toy_model(seed=1)
    lesson = SecAlign(beta=0.3, likelihood=0.7).objective(chat, MADE, Benign([], [], 0))
    with torch.no_grad():
        found = lesson.loss(other, torch.arange(2), Seed(0))
        then, now = (
            [token_log_probs(model, encode(chat, MADE.prompts, texts)).sum(1) for texts in (MADE.safe, MADE.obeying)]
            for model in (chat.model, other)
        )
        counts = encode(chat, MADE.prompts, MADE.safe).mask.sum(1)
        expected = preference(now[0] - then[0], now[1] - then[1], 0.3).sum() - 0.7 * (now[0] / counts).sum()
    assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-4)


def test_learning_widens_the_gap_between_the_two_replies():
    chat, data = toy_open_chat(), toy_aims(4)
    hardened = SecAlign(**{**SHORT, "steps": 8}).harden(chat, data)
    assert isinstance(hardened, FrontEnd)

    def gap(model):
        told = [token_log_probs(model, encode(chat, MADE.prompts, [text] * 2)).sum() for text in (
            "The ticket is open.", data.goals[0].opening)]  # fmt: skip
        return float((told[0] - told[1]).detach())

    assert gap(hardened.inner.model) > gap(chat.model) + 5
    assert SecAlign().objective(chat, MADE, KEPT).size == 5
