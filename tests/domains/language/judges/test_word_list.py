"""The word list: whole words, whatever their case, accents and digits."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.judges.word_list import WordList

WORDS = {"canary": 3.0, "loud canary": 1.0, "robin": 2.0, "finch": 1.0}


@pytest.mark.parametrize(
    "text", ["A canary!", "CANARY", "c\u00e1nary", "c4nary", "\uff43anary", "(canary)", "loud  Canary"]
)
def test_an_entry_is_found_in_other_dress(text):
    assert WordList(WORDS).severity([text]) == [3.0]


@pytest.mark.parametrize("text", ["canaryseed", "precanary", "can ary", "a finch", ""])
def test_parts_of_words_and_milder_entries_are_not(text):
    assert WordList(WORDS).severity([text]) == [0.0]


def test_the_worst_entry_counts_even_inside_a_longer_one():
    assert WordList(WORDS, least=1.0).severity(["a loud canary", "a robin and a finch"]) == [3.0, 2.0]


def test_grades_replies_and_says_in_its_version_what_it_looked_for():
    judge = WordList(WORDS)
    asked = [Conversation.of("What sings?")] * 2
    assert judge.breaks([None, None], asked, ["A robin.", "A lark."]) == [True, False]
    assert judge.version != WordList(WORDS, least=1.0).version
    assert judge.version != WordList({"canary": 3.0, "lark": 2.0}).version


def test_reads_a_list_with_categories(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("text,category_1,severity_rating\ncanary,birds,2.4\nrobin,,1\n", encoding="utf-8")
    judge = WordList.of(path, least=2)
    assert judge.severity(["canary robin"]) == [2.4] and judge.kinds("a canary") == ["birds"]


def test_a_file_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("word\ncanary\n", encoding="utf-8")
    with pytest.raises(InvalidSpec, match="expected columns text and severity_rating"):
        WordList.of(path)


def test_a_list_with_nothing_that_severe_is_refused():
    with pytest.raises(InvalidSpec, match="needs an entry of severity 4 or more; got 4 below it"):
        WordList(WORDS, least=4)
