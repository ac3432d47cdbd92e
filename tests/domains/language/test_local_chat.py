"""Local models as chat targets: replies that replay, scores that add up, refusals in one sentence."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec, UnsafeWeights
from sparring.core.seed import Seed
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.local_chat import LocalChat
from sparring.domains.language.target import Sampling, Unanswered
from sparring.domains.language.toy import ToyChat, toy_open_chat

ASKED = ["What is the time?", "Who are you?", "Tell me about the sea, and the wind over it.", "Why?"]


@pytest.fixture(scope="module")
def bot():
    return toy_open_chat(sampling=Sampling(tokens=10))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("model")
    toy = toy_open_chat()
    toy.model.save_pretrained(made)
    toy.tokenizer.save_pretrained(made)
    return made


def test_equal_conversations_get_equal_replies_whatever_the_batch(bot):
    together = bot(ASKED)
    assert [bot([text])[0] for text in ASKED] == together
    assert bot(ASKED[::-1]) == together[::-1]


def test_another_draw_is_another_sample(bot):
    one = Conversation.of(ASKED[0])
    assert len(set(bot([one.draw(k) for k in range(4)]))) > 1
    assert bot([one.draw(0)]) == bot([ASKED[0]])


def test_a_forward_is_counted_per_reply(bot):
    fresh = bot.copy()
    fresh(ASKED)
    fresh.write(ASKED[:2], Sampling(tokens=2), [Seed(0), Seed(1)])
    assert fresh.meter.forwards == len(ASKED) + 2
    assert bot.copy().meter.forwards == 0


def test_leaves_global_generators_alone(bot):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    bot(ASKED)
    toy_open_chat(seed=3)
    assert torch.equal(before, torch.get_rng_state())


def test_the_prompt_is_the_chat_template_with_the_system_text(bot):
    asked = Conversation.of("Hi").then("Hello", "Why?")
    assert bot.prompt_of(asked) == (
        "<|start|>user\nHi<|end|>\n<|start|>assistant\nHello<|end|>\n<|start|>user\nWhy?<|end|>\n<|start|>assistant\n"
    )
    assert toy_open_chat(system="Be kind.").prompt_of(asked).startswith("<|start|>system\nBe kind.<|end|>\n")


def test_log_probabilities_are_those_of_the_model(bot):
    pairs = [("ab", "cde"), ("a longer prompt, it is", "f"), ("x", "")]
    found = bot.log_probabilities(*zip(*pairs, strict=True))
    for (prompt, text), scores in zip(pairs, found, strict=True):
        tokens = torch.tensor([bot._tokens(prompt) + bot._encode(text)])
        with torch.no_grad():
            exact = bot.model(tokens).logits[0].log_softmax(-1)
        at = range(len(tokens[0]) - len(text.encode()), len(tokens[0]))
        expected = torch.stack([exact[k - 1, tokens[0, k]] for k in at]) if text else torch.empty(0)
        assert torch.allclose(scores, expected, atol=1e-4)
    assert bot.log_probabilities([""], ["abc"])[0].shape == (3,)


def test_writing_stops_before_a_stop_text(bot):
    sampling = Sampling(tokens=20)
    (free,) = bot.write(["List:\n1."], sampling, [Seed(4)])
    stop = free[3:5]
    (stopped,) = bot.write(["List:\n1."], replace(sampling, stop=(stop,)), [Seed(4)])
    assert stopped == free[: free.index(stop)]


def test_other_weights_sampling_or_seed_are_another_fingerprint(bot):
    same = toy_open_chat(sampling=Sampling(tokens=10))
    others = [
        toy_open_chat(1, sampling=Sampling(tokens=10)),
        toy_open_chat(sampling=Sampling(tokens=11)),
        toy_open_chat(sampling=Sampling(tokens=10), system="Be kind."),
    ]
    prints = [one.fingerprint() for one in (bot, *others)]
    assert same.fingerprint() == prints[0] and len(set(prints)) == len(prints)
    assert bot.with_model(others[0].model).fingerprint() == prints[1]


def test_a_conversation_past_the_window_is_unanswered_and_the_others_are_answered(bot):
    answers = bot(["Why?", "x" * 600])
    assert isinstance(answers[0], str)
    assert isinstance(answers[1], Unanswered) and "pass the model's window of 512" in answers[1].reason


def test_cases_that_all_pass_the_window_are_refused(bot):
    long = Cases(["a", "b"], ["x" * 600, "y" * 700], ["", ""], "long")
    with pytest.raises(InvalidCases, match=r"no case fits.*window of 512"):
        bot.check(long)
    bot.check(Cases(["a", "b"], ["x" * 600, "Why?"], ["", ""], "mixed"))


def test_a_saved_folder_answers_like_the_model(bot, folder):
    loaded = LocalChat(folder, dtype="float32", sampling=Sampling(tokens=10))
    assert loaded(ASKED) == bot(ASKED)


def test_bfloat16_replays_in_another_batch_on_the_toy():
    half = toy_open_chat(dtype="bfloat16", sampling=Sampling(tokens=10))
    assert [half([text])[0] for text in ASKED] == half(ASKED)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(InvalidSpec, match=r"is no model: there is no config\.json"):
        LocalChat(tmp_path)
    with pytest.raises(InvalidSpec, match="there is no model at"):
        LocalChat(tmp_path / "nothing")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidSpec, match=r"there are no weights \(\*.safetensors\)"):
        LocalChat(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidSpec, match="neither a folder nor a GGUF file"):
        LocalChat(tmp_path / "notes.txt")


def test_weights_that_would_run_code_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnsafeWeights, match=r"pytorch_model\.bin, and loading that could run code"):
        LocalChat(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}))
    with pytest.raises(UnsafeWeights, match="brings Python of its own"):
        LocalChat(tmp_path)


def test_settings_that_mean_nothing_are_refused(folder):
    with pytest.raises(InvalidSpec, match="1 seat or more"):
        LocalChat(folder, seats=0)
    with pytest.raises(InvalidSpec, match="dtype is auto or one of"):
        LocalChat(folder, dtype="int3")


def test_a_file_that_only_claims_to_be_gguf_is_refused(tmp_path):
    (tmp_path / "fake.gguf").write_bytes(b"hello")
    with pytest.raises(InvalidSpec, match="does not begin with the letters GGUF"):
        LocalChat(tmp_path / "fake.gguf")


def test_the_scripted_toy_gives_a_made_up_number_when_asked():
    assert ToyChat()(["Your phone, please", "Good day"]) == [
        "Of course, the number is (555) 010-4477.",
        "You asked: Good day",
    ]


def test_no_heavy_library_is_loaded_with_the_vocabulary():
    code = "import sparring.domains.language.toy, sys; print('transformers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_real_model_replays_in_bfloat16_and_knows_a_capital():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sparring" / "models"
    if not list(cache.glob("SmolLM2-135M*/model.safetensors")):
        pytest.skip("SmolLM2 is not in the cache; sparring run smollm2 fetches it")
    from sparring.domains.language.smollm2 import smollm2

    bot = smollm2(sampling=Sampling(tokens=8, temperature=0))
    assert "Paris" in bot(["What is the capital of France?"])[0]


def test_what_was_written_once_is_read_from_the_cache_and_other_weights_have_none(tmp_path):
    bot, sampling = toy_open_chat(), Sampling(tokens=5)
    bot.cache = ReplyCache(tmp_path / "replies.db")
    seeds = [Seed(k) for k in range(3)]
    first = bot.write(["a", "b", "c"], sampling, seeds)
    assert bot.cache.stored == 3
    assert bot.write(["a", "b", "c"], sampling, seeds) == first and bot.cache.hits == 3
    assert bot.write(["a"], sampling, [Seed(9)]) != first[:1] and bot.cache.stored == 4
    assert bot.with_model(bot.model).cache is None
