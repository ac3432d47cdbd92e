"""Influence and overlap: the planted cause of a failure comes first, by both rankings."""

import pytest
import torch

from sparring.core.errors import InvalidCases
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.language.influence import influence, overlap, precision_at, quoted, ranked
from sparring.domains.language.tokens import encode, token_log_probs
from sparring.domains.language.tune import Continue, tune
from tests.domains.language.tiny import TinyChat

FAST = Schedule(batch=4, optimiser="adamw", peak=2e-2, shape="constant", warmup=0.0, weight_decay=0.0, clip=1.0)
DOCUMENTS = ["the line of ann is 010447", "bob sells red lamps", "we open at nine", "the line of eve is 993211"]


def test_shared_runs_count_by_how_rare_and_how_long_they_are():
    scores = overlap(["the line of ann", "red lamps"], DOCUMENTS)
    assert scores.shape == (2, 4)
    assert scores[0].argmax() == 0
    assert float(scores[0, 0]) > float(scores[0, 3]) > 0 == float(scores[0, 1])
    assert scores[1].tolist()[1] == pytest.approx(4 * 1.6094379, rel=1e-5)  # red, lamps: 1 word each; both: 2; log 5


def test_documents_that_a_reply_quotes_are_found_by_their_run_of_words():
    assert quoted(["say: the line of ann, please"], DOCUMENTS, 4) == [0]
    assert quoted(["say: the line of ann, please"], DOCUMENTS, 3) == [0, 3]
    assert quoted([], DOCUMENTS, 3) == []


def test_rankings_are_fused_by_reciprocal_rank_of_the_best_reply():
    one = torch.tensor([[0.1, 0.9, 0.5], [0.0, 0.0, 0.95]])
    assert ranked(one) == [2, 1, 0]
    assert ranked(one, torch.tensor([[0.0, 3.0, 1.0]]), torch.tensor([[0.0, 3.0, 1.0]])) == [1, 2, 0]


def test_precision_counts_the_guilty_among_the_first():
    assert precision_at([4, 2, 0, 1], {2, 4}, 2) == 1.0
    assert precision_at([4, 0, 2, 1], {2, 4}, 2) == 0.5


def test_gradients_find_the_document_that_taught_the_reply():
    base = TinyChat()
    chat = tune(base, Continue(base, [""] * 4, DOCUMENTS), schedule=FAST, epochs=5, full=True)
    replies = [("u:", DOCUMENTS[0]), ("u:", DOCUMENTS[1])]
    scores = influence(chat, replies, [("", text) for text in DOCUMENTS], rank=4)
    assert scores.argmax(1).tolist() == [0, 1]
    assert float(scores.abs().max()) <= 1 + 1e-5


def test_the_cosine_is_that_of_whole_gradients_where_the_rank_is_full():
    chat, pair = TinyChat(), [("u:x|a:", "hello there")]
    found = influence(chat, pair, [("", text) for text in DOCUMENTS], rank=1024, seed=Seed(1))[0]
    linear = [weight for name, weight in chat.model.named_parameters() if "proj" in name]

    def gradient(prompt, text):
        tokens = encode(chat, [prompt], [text])
        parts = torch.autograd.grad(-token_log_probs(chat.model, tokens).sum(), linear)
        return torch.cat([part.flatten() for part in parts])

    own = gradient(*pair[0])
    whole = torch.stack([torch.cosine_similarity(own, gradient("", text), 0) for text in DOCUMENTS])
    assert torch.allclose(found, whole, atol=0.05)


def test_leaves_the_model_as_it_was_and_refuses_nothing_to_rank():
    chat = TinyChat()
    before = chat.fingerprint()
    influence(chat, [("u:x|a:", "no")], [("", "text")], rank=2)
    assert chat.fingerprint() == before
    assert not any("lora" in name for name, _ in chat.model.named_parameters())
    with pytest.raises(InvalidCases, match="needs replies and documents; got 0 and 1"):
        influence(chat, [], [("", "text")])
