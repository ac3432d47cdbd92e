"""Fine-tuning: the closed form of a step, plain weights at the end, and the same end after being killed."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.language.lora import adapted, adapters, merged, rounded
from sparring.domains.language.tokens import by_length, encode, token_log_probs
from sparring.domains.language.tune import ADAMW, Continue, Objective, fine_tuned, tune
from tests.domains.language.tiny import TinyChat, tiny_model

FAST = Schedule(batch=4, optimiser="adamw", peak=3e-2, shape="constant", warmup=0.0, weight_decay=0.0, clip=1.0)
PROMPTS = [f"u:question {k}|a:" for k in range(10)]
REPLIES = ["call the bakery", "no"] * 5


def weights(chat):
    return torch.cat([value.detach().float().flatten() for value in chat.model.state_dict().values()])


def lesson(chat):
    return Continue(chat, PROMPTS, REPLIES)


def test_continued_tokens_get_the_probabilities_that_the_whole_model_gives():
    chat = TinyChat()
    tokens = encode(chat, ["u:hello|a:", "u:a longer question|a:", ""], ["yes", "n", "word"])
    told = token_log_probs(chat.model, tokens)
    scores = chat.model(tokens.ids, attention_mask=tokens.attention.long()).logits.log_softmax(-1)
    expected = scores[:, :-1].gather(2, tokens.ids[:, 1:, None])[..., 0]
    assert torch.allclose(told[:, 1:][tokens.mask[:, 1:]], expected[tokens.mask[:, 1:]], atol=1e-5)
    assert tokens.mask.sum(1).tolist() == [4, 2, 5]  # the end-of-text token is learned too
    assert not bool(told[~tokens.mask].any())


def test_padding_changes_nothing():
    chat = TinyChat()
    tokens = encode(chat, PROMPTS[:3], ["yes", "a much longer reply than the others", "n"])
    together = token_log_probs(chat.model, tokens).sum(1)
    alone = torch.cat([token_log_probs(chat.model, tokens[torch.tensor([k])]).sum(1) for k in range(3)])
    assert torch.allclose(together, alone, atol=1e-4)


def test_a_shared_beginning_is_read_once_and_changes_neither_values_nor_gradients():
    chat = TinyChat()
    head = "s:you are a desk that answers briefly|"
    tokens = encode(chat, [head + prompt for prompt in PROMPTS[:4]], ["yes", "a longer reply", "n", "call"])
    model = chat.model.requires_grad_(True)
    read = []
    layer = next(part for name, part in model.base_model.named_modules() if name.endswith("layers.0"))
    hook = layer.register_forward_pre_hook(
        lambda _, given, named: read.append((given[0] if given else named["hidden_states"]).shape[:2]), with_kwargs=True
    )
    told = token_log_probs(model, tokens)
    hook.remove()
    shared = len(head + "u:question ") - 1
    assert [tuple(one) for one in read] == [(1, shared), (4, tokens.ids.shape[1] - shared)]
    gradient = torch.autograd.grad(told.sum(), list(model.parameters()))
    alone = torch.cat([token_log_probs(model, tokens[torch.tensor([k])]).sum(1) for k in range(4)])
    expected = torch.autograd.grad(alone.sum(), list(model.parameters()))
    assert torch.allclose(told.sum(1), alone, atol=1e-4)
    assert all(torch.allclose(one, two, atol=1e-4) for one, two in zip(gradient, expected, strict=True))


def test_what_does_not_fit_the_window_loses_the_start_of_its_prompt():
    tokens = encode(TinyChat(), ["x" * 30 + "end"], ["yes"], limit=8)
    assert (tokens.attention.sum().item(), tokens.mask.sum().item()) == (8, 4)
    assert TinyChat().tokenizer.decode(tokens.ids[0].tolist()) == "xendyes"


def test_batches_are_cut_by_length_within_the_budget_and_lose_nobody():
    lengths = torch.tensor([5, 1, 9, 2, 2, 30])
    parts = list(by_length(lengths, torch.arange(6), 12))
    assert sorted(torch.cat(parts).tolist()) == list(range(6))
    assert all(len(part) == 1 or int(lengths[part].max()) * len(part) <= 12 for part in parts)


def test_learns_what_it_is_shown_on_a_copy_with_plain_weights():
    chat = TinyChat()
    before = weights(chat)
    tuned, fitted = fine_tuned(chat, lesson(chat), epochs=8, schedule=FAST)
    assert torch.equal(weights(chat), before)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] / 1.5
    assert {key for key, _ in tuned.model.named_parameters()} == {key for key, _ in chat.model.named_parameters()}
    assert type(tuned.model) is type(chat.model)
    gained = [float(now.mean() - then.mean()) for now, then in zip(
        tuned.log_probabilities(PROMPTS, REPLIES), chat.log_probabilities(PROMPTS, REPLIES), strict=True
    )]  # fmt: skip
    assert min(gained) > 0.5


def test_merging_keeps_what_the_adapters_say():
    chat = TinyChat()
    model = adapted(TinyChat().model, 4, Seed(1))
    tokens = encode(chat, PROMPTS, REPLIES)
    with torch.no_grad():
        assert torch.allclose(token_log_probs(model, tokens), token_log_probs(chat.model, tokens), atol=1e-6)
        for weight in adapters(model).values():
            weight.add_(0.05 * torch.randn(weight.shape, generator=Seed(2).generator()))
        expected = token_log_probs(model, tokens)
        assert torch.allclose(token_log_probs(merged(model, Seed(0)), tokens), expected, atol=1e-4)
    assert not any("lora" in name for name, _ in model.named_parameters())


def test_rounding_to_bfloat16_keeps_the_mean_of_a_change_too_small_for_it():
    values = torch.full((100_000,), 1.0 + 2.0**-10)  # an eighth of a step above 1
    assert float(values.bfloat16().float().mean()) == 1.0
    assert float(rounded(values, torch.bfloat16, Seed(0)).float().mean()) == pytest.approx(1.0 + 2.0**-10, abs=1e-4)
    grid = torch.tensor([0.0, 1.0, -3.5, 2.0**-20])
    assert torch.equal(rounded(grid, torch.bfloat16, Seed(0)).float(), grid)


@pytest.mark.parametrize("full", [False, True])
def test_works_in_bfloat16_and_the_same_seed_gives_the_same_weights(full):
    chat = TinyChat(tiny_model(dtype=torch.bfloat16))
    tuned = [tune(chat, lesson(chat), epochs=2, schedule=FAST, seed=seed, full=full, rank=4) for seed in (1, 1, 2)]
    assert tuned[0].model.dtype == torch.bfloat16
    assert torch.equal(weights(tuned[0]), weights(tuned[1]))
    assert not torch.equal(weights(tuned[0]), weights(tuned[2]))
    assert not torch.equal(weights(tuned[0]), weights(chat))


def test_leaves_the_global_generators_alone():
    before, chat = torch.random.get_rng_state(), TinyChat()
    tune(chat, lesson(chat), schedule=FAST)
    assert torch.equal(before, torch.random.get_rng_state())


def test_one_step_of_all_weights_is_plain_gradient_descent():
    chat = TinyChat()
    plain = Schedule(batch=99, peak=0.5, shape="constant", warmup=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)
    tuned = tune(chat, lesson(chat), schedule=plain, full=True)
    model = tiny_model()
    tokens = encode(chat, PROMPTS, REPLIES)
    (-(token_log_probs(model, tokens).sum(1) / tokens.mask.sum(1)).mean()).backward()
    weight = model.model.layers[0].mlp.up_proj.weight
    found = tuned.model.model.layers[0].mlp.up_proj.weight
    assert torch.allclose(found, weight - 0.5 * weight.grad, atol=1e-5)


def test_a_fine_tuning_killed_by_the_system_resumes_to_the_bit_same_weights(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from sparring.domains.language import tune as tuning
        from tests.domains.language.test_tune import FAST, lesson, TinyChat

        whole = tuning.fit
        tuning.fit = lambda learner, **settings: whole(learner, **{**settings, "save_every": 0.0})
        chat = TinyChat()
        objective = lesson(chat)
        own, calls = objective.loss, []

        def killing(*arguments):
            calls.append(1)
            if len(calls) == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return own(*arguments)

        objective.loss = killing
        tuning.tune(chat, objective, epochs=3, schedule=FAST, folder=Path(sys.argv[1]))
        """
    )
    root = Path(__file__).parents[3]
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "training.pt").stat().st_size < 500_000
    chat = TinyChat()
    straight = tune(chat, lesson(chat), epochs=3, schedule=FAST)
    resumed = tune(chat, lesson(chat), epochs=3, schedule=FAST, folder=tmp_path)
    assert torch.equal(weights(straight), weights(resumed))


class Nothing(Objective):
    size = 0

    def loss(self, model, index, seed):
        return {}


class Mute(Target):
    def respond(self, inputs):
        return ["..."] * len(inputs)


def test_refuses_what_cannot_be_tuned():
    chat = TinyChat()
    with pytest.raises(Incompatible, match=r"needs a target whose weights are at hand .*got Mute.*Blocklist"):
        tune(Mute(), lesson(chat), schedule=ADAMW)
    with pytest.raises(InvalidCases, match="there is nothing to learn from"):
        tune(chat, Nothing())
    with pytest.raises(InvalidSpec, match="a rank of 1 or more; got 0"):
        tune(chat, lesson(chat), rank=0)
    with pytest.raises(InvalidCases, match="a continuation without tokens cannot be learned"):
        encode(chat, ["x"], [""], end=False)
