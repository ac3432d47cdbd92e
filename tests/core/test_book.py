"""The case book: what was written comes back, tensors bit by bit, under the ids and goals of its cases."""

import pytest
import torch

from sparring.core.book import entry, holds_book, read_book, write_book
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases

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
