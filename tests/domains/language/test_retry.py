"""How long to wait before asking again."""

from email.utils import formatdate

import pytest

from sparring.core.errors import BudgetSpent, InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.retry import Clock, Retries, retry_after
from sparring.domains.language.spending import Purse, Spending


def test_waits_double_up_to_the_longest_with_at_most_half_taken_off():
    waits = [Retries(count=8, first=1, longest=20).wait(tried, None, Seed(5)) for tried in range(1, 9)]
    for wait, most in zip(waits, [1, 2, 4, 8, 16, 20, 20, 20], strict=True):
        assert most / 2 <= wait <= most
    assert len({wait / most for wait, most in zip(waits, [1, 2, 4, 8, 16, 20, 20, 20], strict=True)}) == 8


def test_jitter_belongs_to_the_request():
    retries = Retries()
    assert retries.wait(1, None, Seed(1)) == retries.wait(1, None, Seed(1)) != retries.wait(1, None, Seed(2))


def test_gives_up_after_the_last_try_or_past_its_patience():
    assert Retries(count=2).wait(3, None, Seed(0)) is None
    assert Retries(patience=60).wait(1, 61.0, Seed(0)) is None
    assert Retries(patience=60).wait(1, 59.0, Seed(0)) == 59.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (formatdate(1_000_030, usegmt=True), 30.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after({"retry-after": header}, now=1_000_000.0) == seconds


def test_a_purse_sets_aside_what_replies_may_cost():
    purse = Purse(Spending(tokens=25), Clock())
    purse.charge(10)
    purse.charge(10)
    with pytest.raises(BudgetSpent, match="budget of 25 tokens is spent: it took 2 requests, 0 tokens"):
        purse.charge(10)
    purse.settle(10, 3)
    purse.charge(10)
    assert (purse.requests, purse.tokens) == (3, 3)


def test_limits_that_allow_nothing_are_refused():
    with pytest.raises(InvalidSpec, match="a budget of 0 requests allows nothing"):
        Spending(requests=0)
    with pytest.raises(InvalidSpec, match="cannot be negative"):
        Retries(count=-1)
