"""Losses of suffixes: the same as full forwards, whatever was kept, and the gradient of finite differences."""

import pytest
import torch

from sparring.domains.language.networks import Generic, Llama
from sparring.domains.language.suffix_loss import SuffixLoss
from sparring.domains.language.toy import toy_model, toy_open_chat
from tests.domains.language.test_engine import gpt2

HEAD, FOOT, OPENING, LENGTH = [257, 5, 9, 3, 7, 11], [258, 257, 4], [40, 41, 42, 43], 6


def of(model, way=Generic):
    chat = toy_open_chat().with_model(model)
    return SuffixLoss(chat, way(model), HEAD, FOOT, OPENING, LENGTH)


@torch.no_grad()
def by_full_forward(model, suffix):
    tokens = torch.tensor([[*HEAD, *suffix, *FOOT, *OPENING]])
    told = model(input_ids=tokens, use_cache=False).logits[0].double().log_softmax(1)
    return -sum(float(told[k - 1, tokens[0, k]]) for k in range(tokens.shape[1] - 4, tokens.shape[1])) / 4


def candidates(suffix):
    rows = [suffix.clone() for _ in range(40)]
    for k, row in enumerate(rows):
        row[k % LENGTH] = 60 + k
    return torch.stack([*rows, suffix])


@pytest.mark.parametrize(("make", "way"), [(toy_model, Llama), (toy_model, Generic), (gpt2, Generic)])
def test_candidates_cost_what_full_forwards_say_whatever_was_kept(make, way):
    model, suffix = make(), torch.tensor([20, 21, 22, 23, 24, 25])
    rows, loss = candidates(suffix), of(make(), way)
    wanted = torch.tensor([by_full_forward(model, row.tolist()) for row in rows])
    assert torch.allclose(loss.losses(rows), wanted, atol=1e-4)
    for other in (suffix, torch.tensor([20, 21, 1, 2, 3, 4])):
        value, _ = loss.gradient(other)
        assert value == pytest.approx(by_full_forward(model, other.tolist()), abs=1e-4)
        assert torch.allclose(loss.losses(rows), wanted, atol=1e-4)


def test_candidates_that_share_a_beginning_take_fewer_new_tokens(monkeypatch):
    model, suffix, read = toy_model(), torch.tensor([20, 21, 22, 23, 24, 25]), []
    loss, tail = of(model, Llama), Llama.tail
    monkeypatch.setattr(
        Llama, "tail", lambda self, tokens, *rest: read.append(tokens.numel()) or tail(self, tokens, *rest)
    )
    loss.batch = 5
    loss.losses(candidates(suffix))
    loss.gradient(suffix)
    loss.losses(candidates(suffix))
    whole, kept = sum(read[: len(read) // 2]), sum(read[len(read) // 2 :])
    assert whole == 41 * (LENGTH + len(FOOT) + len(OPENING) - 1)
    assert kept < 0.85 * whole


def test_the_gradient_is_that_of_finite_differences():
    model = toy_model().double()
    loss, suffix = of(model), torch.tensor([20, 21, 22, 23, 24, 25])
    _, gradient = loss.gradient(suffix)
    vectors, table = loss.vectors[suffix], loss.vectors
    assert gradient.shape == (LENGTH, 260)
    for place, token in ((0, 3), (2, 200), (5, 77)):
        step = torch.zeros_like(vectors)
        step[place] = 3e-3 * table[token]
        rise = loss.soft_gradient(vectors + step)[0] - loss.soft_gradient(vectors - step)[0]
        assert float(gradient[place, token]) == pytest.approx(rise / 6e-3, rel=1e-3, abs=1e-4)


def test_forwards_and_backwards_are_metered_one_by_one():
    loss = of(toy_model(), Llama)
    meter = loss.chat.meter
    assert (meter.forwards, meter.input_backwards) == (1, 0)
    loss.gradient(torch.arange(6))
    loss.losses(candidates(torch.arange(6)))
    assert (meter.forwards, meter.input_backwards) == (1 + 1 + 41, 1)


def test_weights_collect_no_gradients():
    model = toy_model()
    of(model, Llama).gradient(torch.arange(6))
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
