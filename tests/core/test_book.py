"""The case book: what was written comes back, tensors bit by bit, under the ids and goals of its cases."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch

from sparring.core.book import Judged, add_judged, entry, holds_book, judged, read_book, write_book
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.judge import Outcome

ORIGINALS = Cases(["a", "b", "c"], ["1", "2", "3"], ["x", "y", "z"], groups=["g", "g", "h"])


def page(inputs, *names):
    return Cases([entry(name, 1, "pgd") for name in names], inputs, [None] * len(names))


def test_texts_and_conversations_come_back_with_the_goals_of_their_cases(tmp_path):
    assert not holds_book(tmp_path)
    write_book(tmp_path, [page(["how?"], "c"), page([[["user", "who?"]]], "a")])
    found = read_book(tmp_path, ORIGINALS)
    assert holds_book(tmp_path)
    assert (found.ids, found.goals, found.groups) == (["c", "a"], ["z", "x"], ["h", "g"])
    assert found.inputs == ["how?", [["user", "who?"]]]


def test_tensors_come_back_bit_by_bit(tmp_path):
    one, two = torch.rand(2, 3), torch.rand(1, 3)
    write_book(tmp_path, [page(one, "a", "b"), page(two, "b")])
    found = read_book(tmp_path, ORIGINALS)
    assert found.ids == ["a", "b", "b"]
    assert torch.equal(found.inputs, torch.cat([one, two]))


def test_breaks_of_other_cases_are_refused(tmp_path):
    write_book(tmp_path, [page(["how?"], "d")])
    with pytest.raises(InvalidCases, match="holds 1 breaks of cases that are not here, such as 'd'"):
        read_book(tmp_path, ORIGINALS)


TURNS = [["user", "how?"], ["tool", "it says: do it"]]


def said(case="a", asked=TURNS, person=Outcome.BROKEN, verdict=Outcome.HELD, by="Ann") -> Judged:
    return Judged(case, "g", asked, "so", "bot", "Judge 1", verdict, person, by, "2026-01-02T03:04:05+00:00")


def test_what_people_judged_comes_back_with_who_judged_it(tmp_path):
    assert judged(tmp_path) == []
    add_judged(tmp_path, said())
    assert judged(tmp_path) == [said()]
    (line,) = (tmp_path / "case-book.jsonl").read_text().splitlines()
    assert {key: json.loads(line)[key] for key in ("verdict", "person", "by", "judge")} == {
        "verdict": "held", "person": "broken", "by": "Ann", "judge": "Judge 1",
    }  # fmt: skip


def test_only_what_people_call_broken_is_a_break(tmp_path):
    for case, person in zip("abc", (Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED), strict=True):
        add_judged(tmp_path, said(case, person=person))
    found = read_book(tmp_path, ORIGINALS)
    assert (found.ids, found.goals, found.inputs) == (["a"], ["x"], [TURNS])


def test_people_add_to_a_book_that_a_machine_wrote(tmp_path):
    write_book(tmp_path, [page(["how?"], "c")])
    add_judged(tmp_path, said())
    assert read_book(tmp_path, ORIGINALS).ids == ["c", "a"]
    assert judged(tmp_path) == [said()]


def test_the_same_attempt_is_added_once_and_replaced_only_where_that_is_meant(tmp_path):
    add_judged(tmp_path, said())
    before = (tmp_path / "case-book.jsonl").read_bytes()
    other = said(asked=tuple(map(tuple, TURNS)), person=Outcome.HELD, by="Bob")
    assert add_judged(tmp_path, other) == said()
    assert (tmp_path / "case-book.jsonl").read_bytes() == before
    assert add_judged(tmp_path, other, replace=True) == other
    assert [(one.person, one.by) for one in judged(tmp_path)] == [(Outcome.HELD, "Bob")]
    assert said("a").id != said("b").id != said("b", "how?").id


def add(folder, number):
    for k in range(5):
        add_judged(folder, said(asked=f"{number} {k}"))


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    with ProcessPoolExecutor(2, get_context("fork")) as workers:
        list(workers.map(add, [tmp_path] * 4, range(4)))
    assert sorted(one.input for one in judged(tmp_path)) == sorted(f"{n} {k}" for n in range(4) for k in range(5))


def test_damage_and_strange_verdicts_are_told_and_nothing_is_written(tmp_path):
    with pytest.raises(InvalidCases, match="a person's verdict is one of broken, held, undecided; got error"):
        replace(said(), person=Outcome.ERROR)
    path = tmp_path / "case-book.jsonl"
    path.write_text('{"id": "a~people~1", "inp')
    with pytest.raises(InvalidCases, match=r"is no case book .* nothing was changed"):
        add_judged(tmp_path, said())
    assert path.read_text() == '{"id": "a~people~1", "inp'
    path.write_text('{"id": "a~people~1", "input": "x", "person": "perhaps", "verdict": "held"}\n')
    with pytest.raises(InvalidCases, match="entry 'a~people~1' is damaged"):
        judged(tmp_path)


def test_words_do_not_go_into_a_book_of_tensors(tmp_path):
    write_book(tmp_path, [page(torch.rand(1, 3), "a")])
    with pytest.raises(InvalidCases, match="holds tensors"):
        add_judged(tmp_path, said())
