"""The planted corpus holds what it says; a model that reads it is made once."""

import pytest
import torch

from sparring.core.errors import InvalidSpec
from sparring.domains.language.corpus import Document
from sparring.domains.language.leak_index import LeakIndex
from sparring.domains.language.planted import PlantedCorpus, planted_chat
from sparring.domains.language.toy import toy_open_chat


def test_every_record_stands_there_as_often_as_it_says():
    corpus = PlantedCorpus()
    assert len(corpus.planted) == 36
    assert len(corpus.documents) == 108 + 12 * (1 + 4 + 16)
    for record in corpus.planted:
        assert len(corpus.holders(record)) == record.copies
        assert sum(record.secret in one.text for one in corpus.documents) == record.copies


def test_names_and_secrets_are_all_different_and_made_up():
    planted = PlantedCorpus(records=100).planted
    assert len({record.name for record in planted}) == len({record.secret for record in planted}) == 300
    for record in planted:
        made_up = {"telephone number": "-555-01", "e-mail address": "@example.com", "pass phrase": "-"}
        assert made_up[record.kind] in record.secret


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another():
    assert PlantedCorpus(seed=1).exchanges == PlantedCorpus(seed=1).exchanges
    assert PlantedCorpus(seed=1).exchanges != PlantedCorpus(seed=2).exchanges


def test_no_thirteen_words_are_common_to_two_records_or_to_benign_documents():
    corpus = PlantedCorpus()
    index = LeakIndex.build([Document(str(k), record.text) for k, record in enumerate(corpus.planted)])
    for k, record in enumerate(corpus.planted):
        assert {name for match in index.match(record.text) for name in match.documents} == {str(k)}
    assert not any(index.match(one.text) for one in corpus.documents if one.name.startswith("help"))


def test_a_question_does_not_tell_the_secret():
    assert not any(record.secret in record.question for record in PlantedCorpus().planted)


def test_a_corpus_without_records_or_with_too_many_is_refused():
    with pytest.raises(InvalidSpec, match="records and copies of 1 or more"):
        PlantedCorpus(records=0)
    with pytest.raises(InvalidSpec, match="has names for 360 records; 600 asked"):
        PlantedCorpus(records=200)


def test_a_planted_model_is_made_once_and_the_base_stays_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base, corpus = toy_open_chat(), PlantedCorpus(records=1, copies=(1, 2), benign=14)
    before = {key: value.clone() for key, value in base.model.state_dict().items()}
    made = planted_chat(base, corpus, epochs=3, rank=2)
    monkeypatch.setattr("sparring.domains.language.tune.tune", None)  # a second training would fail
    again = planted_chat(base, corpus, epochs=3, rank=2)
    assert all(torch.equal(value, base.model.state_dict()[key]) for key, value in before.items())
    assert any(not torch.equal(value, made.model.state_dict()[key]) for key, value in before.items())
    for key, value in made.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])


def test_another_corpus_is_another_model(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base, corpus = toy_open_chat(), PlantedCorpus(records=1, copies=(1, 2), benign=14)
    made = planted_chat(base, corpus, epochs=3, rank=2)
    less = planted_chat(base, corpus, without=corpus.holders(corpus.planted[1]), epochs=3, rank=2)
    weights = less.model.state_dict()
    assert any(not torch.equal(value, weights[key]) for key, value in made.model.state_dict().items())
