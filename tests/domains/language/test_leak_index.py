"""The leak index against a search by brute force, and its refusals."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.core.errors import InvalidCases, InvalidSpec, MissingData
from sparring.domains.language.corpus import Document, documents, famous
from sparring.domains.language.leak_index import LeakIndex, normal_words

WORD = st.sampled_from(["a", "b", "c", "dé", "Ee", "f1", "", "-"])
TEXT = st.lists(WORD, max_size=12).map(" ".join)


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    words = normal_words(text)
    return [tuple(words[k : k + n]) for k in range(len(words) - n + 1)]


def longest(reply: str, corpus: list[str], n: int) -> int:
    known = {size: {gram for text in corpus for gram in grams(text, size)} for size in range(n, 14)}
    return max((size for size, held in known.items() if held & set(grams(reply, size))), default=0)


@settings(max_examples=60, deadline=None)
@given(corpus=st.lists(TEXT, min_size=1, max_size=6), reply=TEXT, n=st.integers(1, 4))
def test_finds_what_a_search_by_brute_force_finds(corpus, reply, n):
    counts = Counter(gram for text in corpus for gram in grams(text, n))
    owners = {gram: [str(k) for k, text in enumerate(corpus) if gram in grams(text, n)] for gram in counts}
    if not counts:
        with pytest.raises(InvalidCases, match="the corpus is empty"):
            LeakIndex.build(corpus, n=n)
        return
    index = LeakIndex.build(corpus, n=n)
    starts = [k for k, gram in enumerate(grams(reply, n)) if gram in counts]
    covered = {k + j for k in starts for j in range(n)}
    matches = index.match(reply)
    assert {k for match in matches for k in range(*match.span)} == covered
    for match in matches:
        inside = [gram for k, gram in enumerate(grams(reply, n)) if k in starts and match.span[0] <= k < match.span[1]]
        rarest = min(inside, key=lambda gram: (len(owners[gram]), counts[gram]))
        assert (match.in_documents, match.occurrences) == (len(owners[rarest]), counts[rarest])
        assert len(match.documents) == match.in_documents
    assert index.longest_run(reply) == longest(reply, corpus, n)


def test_case_punctuation_and_forms_of_unicode_do_not_matter():
    index = LeakIndex.build(["The caf\u00e9's owner said: don't panic, it is only tea"], n=5)
    (match,) = index.match("the CAFE\u0301\u2019S owner -- said DON\u2019T panic!")
    assert match.text == "the cafés owner said dont panic"


def test_says_how_many_documents_hold_the_words_and_how_often():
    said = "one two three four five"
    index = LeakIndex.build(
        [Document("a", f"{said}. {said}."), Document("b", f"x {said}"), Document("c", "one two")], n=5
    )
    (match,) = index.match(f"well, {said} it is")
    assert (match.in_documents, match.occurrences, match.documents) == (2, 3, ("a", "b"))
    assert match.span == (1, 6)


def test_words_of_two_documents_make_no_match():
    index = LeakIndex.build(["one two three", "", "four five six"], n=3)
    assert index.match("two three four") == []
    assert index.match("four five six")[0].documents == ("2",)


def test_many_chunks_give_the_same_index_as_one(monkeypatch, tmp_path):
    texts = [f"w{k % 7} w{k % 5} w{k % 3} w{k} end" for k in range(200)] + ["", "w1 w2 w3"]
    whole = LeakIndex.build(texts, tmp_path / "whole", n=3)
    monkeypatch.setattr("sparring.domains.language.leak_index._CHUNK", 17)
    parts = LeakIndex.build(texts, tmp_path / "parts", n=3)
    assert whole.digest == parts.digest
    assert all(whole.match(text) == parts.match(text) for text in texts)


def test_an_index_is_opened_again_as_it_was(tmp_path):
    built = LeakIndex.build(famous(), tmp_path / "index")
    again = LeakIndex.open(tmp_path / "index")
    quote = "He said: four score and seven years ago our fathers brought forth on this continent a new nation."
    assert again.match(quote) == built.match(quote)
    assert again.match(quote)[0].documents == ("Gettysburg Address",)
    assert (len(again), again.digest, again.n) == (len(famous()), built.digest, 13)


def test_a_build_that_fails_leaves_what_stood_there(tmp_path):
    LeakIndex.build(["a b c"], tmp_path / "index", n=2)

    def breaking():
        yield "d e f"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LeakIndex.build(breaking(), tmp_path / "index", n=2)
    assert LeakIndex.open(tmp_path / "index").match("a b")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_numbers_and_addresses_of_the_corpus_are_known_however_they_are_written():
    index = LeakIndex.build(["call (212) 555-0147 or bob@example.com for all the rest"], n=3)
    assert index.holds("2125550147")
    assert index.holds("+1 212 555 0147")
    assert index.holds("bob@example.com")
    assert not index.holds("2125550148")


def test_reads_folders_of_texts_and_lines(tmp_path):
    (tmp_path / "b.txt").write_text("plain text", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('"one"\n\n{"text": "two", "id": "x7"}\n{"text": "three"}\n', encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"\0\1")
    assert list(documents(tmp_path)) == [
        Document("a.jsonl:1", "one"),
        Document("x7", "two"),
        Document("a.jsonl:4", "three"),
        Document("b.txt", "plain text"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\x00\x01\x02", "is binary, or not UTF-8; a corpus is plain text"),
        ("a.txt", b"\xff\xfe\xfa", "is binary, or not UTF-8"),
        ("a.txt", b"", "the corpus is empty: none of its 1 documents has 13 words in a row"),
        ("a.jsonl", b"{", "line 1 of .* is no JSON"),
        ("a.jsonl", json.dumps({"body": 1}).encode(), 'must be a string or an object with a "text"'),
        ("a.pdf", b"x", r"holds no \.txt or \.jsonl file"),
    ],
)
def test_a_corpus_that_is_none_is_refused_in_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidCases, match=message):
        LeakIndex.build(tmp_path)


def test_missing_places_and_senseless_settings_are_refused(tmp_path):
    with pytest.raises(MissingData, match="there is no corpus at"):
        LeakIndex.build(tmp_path / "none")
    with pytest.raises(MissingData, match="holds no leak index"):
        LeakIndex.open(tmp_path)
    with pytest.raises(InvalidSpec, match="n of 1 word or more"):
        LeakIndex.build(["a"], n=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InvalidSpec, match="holds something else than a leak index"):
        LeakIndex.build(["a b"], tmp_path / "mine", n=1)


def test_the_famous_texts_are_small_and_found():
    assert sum(len(one.text) for one in famous()) < 40_000
    index = LeakIndex.build(famous())
    assert index.match(famous()[0].text)[0].in_documents >= 1
