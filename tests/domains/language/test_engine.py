"""Batched writing: the same tokens as `generate`, whatever the batch, the seats and the way through the model."""

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language import engine, networks
from sparring.domains.language.target import Sampling
from sparring.domains.language.toy import toy_model

GREEDY = Sampling(tokens=12, temperature=0)
PROMPTS = [[257, *[(7 * k + 3 * j) % 250 for j in range(2 + 5 * k % 17)]] for k in range(23)]


def numbers(prompts, tokens=12):
    return Seed(0).stream([str(k) for k in range(len(prompts))]).uniform((tokens,))


def written(model, prompts=PROMPTS, sampling=GREEDY, draws=None, **settings):
    settings = {"ends": frozenset({258}), "seats": 5, **settings}
    draws = numbers(prompts, sampling.tokens) if draws is None else draws
    texts = dict(engine.written(model, prompts, sampling, draws, **settings))
    return [texts[k] for k in range(len(prompts))]


def generated(model, prompt):
    tokens = torch.tensor([prompt])
    mask = torch.ones_like(tokens)
    found = model.generate(tokens, attention_mask=mask, max_new_tokens=12, do_sample=False)[0, len(prompt) :].tolist()
    return found[: found.index(258)] if 258 in found else found


def gpt2():
    """Learned positions and one key per head: nothing of Llama."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=260, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=256, eos_token_id=258
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("way", [networks.Llama, networks.Generic])
def test_greedy_tokens_are_those_of_generate(way, monkeypatch):
    monkeypatch.setattr(engine, "network", way)
    model = toy_model()
    assert written(model) == [generated(model, prompt) for prompt in PROMPTS]


def test_a_model_that_is_no_llama_writes_what_generate_writes():
    model = gpt2()
    assert isinstance(networks.network(model), networks.Generic)
    assert written(model) == [generated(model, prompt) for prompt in PROMPTS]


def test_adapters_go_the_way_of_the_models_own_forward():
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(toy_model(), peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")).eval()
    assert isinstance(networks.network(model), networks.Generic)
    assert written(model) == written(toy_model())  # an adapter begins at zero


@pytest.mark.parametrize("seats", [1, 2, 7, 64])
def test_sampled_tokens_do_not_depend_on_the_batch(seats):
    model, sampling = toy_model(), Sampling(tokens=12, top_p=0.9)
    whole = written(model, sampling=sampling, seats=23)
    assert written(model, sampling=sampling, seats=seats) == whole
    draws = numbers(PROMPTS)
    some = [20, 3, 11]
    again = written(model, [PROMPTS[k] for k in some], sampling, draws[some], seats=seats)
    assert again == [whole[k] for k in some]


def test_both_ways_score_alike():
    from sparring.domains.language.seats import Seats, Span

    tokens = torch.tensor([[257, 5, 9, 30], [257, 8, 0, 0]])
    span = Span(0, 0, torch.tensor([4, 2]), 64)
    model = toy_model()
    with torch.no_grad():
        one, two = (way(model).last(tokens, Seats(2, 64), span) for way in (networks.Llama, networks.Generic))
        alone = torch.stack([model(torch.tensor([row])).logits[0, -1] for row in ([257, 5, 9, 30], [257, 8])])
    assert torch.allclose(one, two, atol=1e-5)
    assert torch.allclose(one, alone, atol=1e-5)


def test_finished_rows_leave_and_the_next_prompt_takes_the_seat(monkeypatch):
    asked = []
    make = engine.network

    def counting(model):
        through = make(model)
        last = through.last
        through.last = lambda tokens, seats, span: asked.append(tokens.numel()) or last(tokens, seats, span)
        return through

    monkeypatch.setattr(engine, "network", counting)
    lengths = {k: 1 + 5 * (k % 2) for k in range(8)}  # every other row is done after one token
    prompts = [[250 - k, 7, k] for k in range(8)]
    done = iter(range(100))
    texts = written(
        toy_model(),
        prompts,
        Sampling(tokens=6, temperature=0),
        ends=frozenset(),
        stops=lambda tokens: len(tokens) >= 6 or next(done) % 2 == 0,
        seats=4,
    )
    assert all(1 <= len(text) <= 6 for text in texts) and len(lengths) == len(texts)
    # Each token but a row's last was read once, and each prompt once: no row was read after its end.
    assert sum(asked) == sum(map(len, prompts)) + sum(len(text) - 1 for text in texts)


def test_what_all_prompts_begin_with_is_read_once(monkeypatch):
    asked = []
    make = engine.network

    def counting(model):
        through = make(model)
        last = through.last
        through.last = lambda tokens, seats, span: asked.append(tokens.numel()) or last(tokens, seats, span)
        return through

    monkeypatch.setattr(engine, "network", counting)
    prompts = [[1, 2, 3, 4, 5, k] for k in range(4)]
    written(toy_model(), prompts, Sampling(tokens=1))
    assert asked == [5, 4]


def test_what_some_prompts_begin_with_is_read_once_for_them(monkeypatch):
    beginnings = [[257, 9, *[(k * j) % 250 for j in range(60)]] for k in (3, 5, 7)]
    prompts = [[*beginnings[k % 3], *[k + j for j in range(1 + k % 4)]] for k in range(12)] + [[257, 9, 4], [257, 9, 5]]
    model = toy_model()
    apart = written(model, prompts, seats=64, ends=frozenset())
    monkeypatch.setattr(engine, "_WORTH", 10**9)
    assert written(model, prompts, seats=64, ends=frozenset()) == apart
    monkeypatch.setattr(engine, "_WORTH", 64)
    for seats in (3, 5):  # a group that is cut in two by the seats
        assert written(model, prompts, seats=seats, ends=frozenset()) == apart
    asked = []
    network = engine.network(model)
    last = network.last
    monkeypatch.setattr(
        network, "last", lambda tokens, seats, span: asked.append(tokens.shape) or last(tokens, seats, span)
    )
    written(model, prompts, Sampling(tokens=1), seats=64)
    # Three beginnings, the last two tokens of which nobody else has; then their rows; then the two that are alone.
    read = sorted(rows * width for rows, width in asked)
    assert sum(read) < 3 * 60 + 12 * 4 + 2 * 2 + 3 * 2
    assert len(asked) == 7


def test_a_text_is_handed_on_as_soon_as_it_is_done():
    arriving = engine.written(
        toy_model(), PROMPTS, GREEDY, numbers(PROMPTS), ends=frozenset(), stops=lambda tokens: len(tokens) > 2, seats=5
    )
    first = next(arriving)
    assert len(first[1]) == 3
    assert sorted([first[0], *(k for k, _ in arriving)]) == list(range(len(PROMPTS)))


def test_nothing_to_write_is_an_empty_list():
    assert written(toy_model(), []) == []


def test_weights_that_have_changed_are_read_again():
    model = toy_model()
    first = networks.network(model)
    assert networks.network(model) is first
    before = written(model)
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.add_(0.5)
    assert networks.network(model) is not first
    assert written(model) == [generated(model, prompt) for prompt in PROMPTS] != before
