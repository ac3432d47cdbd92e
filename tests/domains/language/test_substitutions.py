"""Candidates: different ones, from the most promising tokens, all of them where there is room for all."""

import torch

from sparring.core.seed import Seed
from sparring.domains.language.substitutions import candidates_of

SUFFIX = torch.tensor([0, 1, 2])
GRADIENT = torch.arange(30.0).reshape(3, 10).flip(1)  # the higher the token, the more it promises
ALLOWED = torch.tensor([True] * 9 + [False])


def drawn(count=100, topk=10, replace=1, keeps=lambda row: True, step=0, case="a"):
    stream = Seed(0).stream([case])
    return candidates_of(SUFFIX, GRADIENT, ALLOWED, stream, step, count=count, topk=topk, replace=replace, keeps=keeps)


def test_all_swaps_are_drawn_once_where_there_is_room():
    rows = {tuple(row) for row in drawn().tolist()}
    swaps = {(*SUFFIX[:p].tolist(), t, *SUFFIX[p + 1 :].tolist()) for p in range(3) for t in range(9)} - {(0, 1, 2)}
    assert len(drawn()) == len(rows) == 24
    assert rows == swaps


def test_only_the_most_promising_tokens_are_swapped_in():
    rows = drawn(topk=2)
    assert sorted(rows[rows != SUFFIX].tolist()) == [7, 7, 7, 8, 8, 8]


def test_more_places_are_swapped_at_once():
    rows = drawn(count=10, topk=6, replace=2)
    assert (rows != SUFFIX).sum(1).tolist() == [2] * 10
    assert int(rows[rows != SUFFIX].min()) >= 3


def test_what_the_filter_drops_is_replaced_by_another_draw():
    rows = drawn(count=6, keeps=lambda row: row[0] == 0)
    assert len(rows) == 6
    assert bool((rows[:, 0] == 0).all())
    assert drawn(keeps=lambda row: False).shape == (0, 3)


def test_draws_belong_to_the_case_and_the_step():
    assert torch.equal(drawn(count=5), drawn(count=5))
    assert not torch.equal(drawn(count=5), drawn(count=5, step=1))
    assert not torch.equal(drawn(count=5), drawn(count=5, case="b"))


def test_places_are_drawn_alike():
    places = (drawn(count=3, step=0) != SUFFIX).sum(0)
    for step in range(1, 300):
        places = places + (drawn(count=3, step=step) != SUFFIX).sum(0)
    assert places.sum() == 900
    assert bool(((places - 300).abs() < 60).all())  # four standard deviations
