import math
from collections import Counter

import pytest

from sparring.domains.language import diversity
from sparring.domains.language.diversity import (
    References,
    collapsed,
    commonest_word,
    described,
    distinct,
    self_bleu,
    words,
)


@pytest.fixture(autouse=True)
def without_embeddings(monkeypatch):
    monkeypatch.setattr("sparring.domains.language.embedding.embedder", lambda: None)


def plain_bleu(one, others):
    """BLEU-4 as Papineni et al. (2002) write it, text by text, with counts of zero at 0.1."""
    logs = []
    for n in range(1, min(4, len(one)) + 1):
        own = Counter(tuple(one[k : k + n]) for k in range(len(one) - n + 1))
        clipped = 0
        for gram, count in own.items():
            held = [[tuple(o[k : k + n]) for k in range(len(o) - n + 1)].count(gram) for o in others]
            clipped += min(count, max(held))
        logs.append(math.log((clipped or 0.1) / sum(own.values())))
    nearest = min((len(o) for o in others), key=lambda length: (abs(length - len(one)), length))
    return math.exp(min(0, 1 - nearest / len(one)) + sum(logs) / len(logs))


TEXTS = [
    "the cat sat on the mat",
    "the cat sat on the red mat and the cat slept",
    "what is the name of the cat",
    "on the mat the cat sat",
    "dogs bark",
    "the the the the",
    "what is your name",
    "name one river in the north",
]


def test_bleu_agrees_with_the_published_worked_example():
    # Papineni et al. (2002), section 2.1: "the" seven times; modified unigram precision 2/7 against these references.
    book = References([words("The cat is on the mat"), words("There is a cat on the mat")])
    one = words("the the the the the the the")
    expected = math.exp((math.log(2 / 7) + math.log(0.1 / 6) + math.log(0.1 / 5) + math.log(0.1 / 4)) / 4)
    assert book.bleu(one) == pytest.approx(expected)


def test_self_bleu_equals_the_plain_definition_text_by_text():
    split = [words(text) for text in TEXTS]
    plain = [plain_bleu(one, [o for j, o in enumerate(split) if j != k]) for k, one in enumerate(split)]
    assert self_bleu(split) == pytest.approx(sum(plain) / len(plain))


def test_self_bleu_is_one_for_repetitions_and_near_zero_for_strangers():
    assert self_bleu([words("how are you today")] * 5) == pytest.approx(1)
    assert self_bleu([[f"{k}a", f"{k}b", f"{k}c", f"{k}d"] for k in range(5)]) < 0.05


def test_distinct_counts_by_hand():
    split = [["a", "b", "a"], ["a", "b"]]
    assert distinct(split, 1) == 2 / 5
    assert distinct(split, 2) == 2 / 3
    assert distinct([["a"]], 3) == 1


def test_commonest_content_word_counts_each_text_once_and_skips_plain_words():
    split = [words(text) for text in ("What is the river, the river?", "Which river?", "Is it the sea?", "What is it?")]
    assert commonest_word(split) == ("river", 0.5)


def test_duplicates_are_told_apart_from_case_and_punctuation():
    figures = described(["Who are you?", "who are you", *(f"question number {k}" for k in range(6))])
    assert figures["duplicates"] == pytest.approx(1 / 8)


def test_too_few_texts_are_not_described():
    assert described(["Who?"] * 7) == {}
    assert described([]) == {}


def test_collapse_is_a_sentence_and_diversity_is_none():
    assert collapsed(described([f"what is word{k} of item{k} in place{k}" for k in range(40)])) is None
    same = collapsed(described([f"is it invisible {k}" for k in range(40)]))
    assert same is not None and "100% share one content word" in same


def test_figures_do_not_need_more_than_a_thousand_texts():
    assert set(described([f"what is word{k} of item{k % 7}" for k in range(1500)])) >= {"self_bleu", "duplicates"}


def test_coverage_is_the_mean_distance_to_the_nearest_other(monkeypatch):
    import torch

    class Fixed:
        def embed(self, texts):
            vectors = torch.eye(8)
            vectors[1] = vectors[0]
            return vectors

    monkeypatch.setattr("sparring.domains.language.embedding.embedder", Fixed)
    assert diversity.described([f"t {k}" for k in range(8)])["coverage"] == pytest.approx(6 / 8)
