"""Progress where nobody looks at a terminal: a line now and then."""

import itertools
from types import SimpleNamespace

from sparring import console


def lines(monkeypatch, capsys, step):
    """What is told of two pieces of work when every look at the clock takes so many seconds."""
    clock = itertools.count(0, step)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with console.Bars() as bars:
        within = bars.within("as-is: ")
        within.start("naive", 4)
        for k in range(4):
            within.advance("naive", note=f"{k} broken")
        within.start("benign success", 1)
    return capsys.readouterr().err.splitlines()


def test_work_that_takes_long_is_told_of_as_it_goes_and_as_it_begins(monkeypatch, capsys):
    told = lines(monkeypatch, capsys, 11)
    assert told == ["as-is: naive: 2 of 4 1 broken", "as-is: benign success: 0 of 1"]


def test_quick_work_is_not(monkeypatch, capsys):
    assert lines(monkeypatch, capsys, 1) == []
