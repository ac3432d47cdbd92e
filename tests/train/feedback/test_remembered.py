"""Remembered retention: the figures of plain retention, with the reference run once."""

import copy

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.toy import toy_model, toy_open_chat
from sparring.train.feedback.remembered import Remembered
from sparring.train.feedback.retention import Retained

PROMPTS = ["hello there", "a somewhat longer question than the first", "b"]
REPLIES = ["good day", "no", "as you like it"]


def test_it_is_plain_retention_and_runs_the_reference_once():
    chat, other = toy_open_chat(), toy_model(seed=1)
    runs = []
    chat.model.base_model.register_forward_hook(lambda *_: runs.append(1))
    remembered = Remembered(chat, PROMPTS, REPLIES)
    assert runs == [1]
    index = torch.tensor([2, 0, 1])
    found = remembered.loss(other, index, Seed(0))["loss"].detach()
    assert runs == [1]
    expected = Retained(chat, PROMPTS, REPLIES).loss(other, index, Seed(0))["loss"].detach()
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert float(found) > 0.1


def test_at_the_start_nothing_is_lost_and_no_weight_is_pulled():
    chat = toy_open_chat()
    model = copy.deepcopy(chat.model)
    told = Remembered(chat, PROMPTS, REPLIES).loss(model, torch.arange(3), Seed(0))["loss"]
    told.backward()
    assert abs(float(told.detach())) < 1e-5
    assert max(float(weight.grad.abs().max()) for weight in model.parameters() if weight.grad is not None) < 1e-4
