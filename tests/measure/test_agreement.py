"""Agreement with people: the datasheet that a case book gives a judge, counted by hand."""

import dataclasses

import numpy as np
import pytest

from sparring.core.book import Judged
from sparring.core.judge import Outcome
from sparring.measure.agreement import agreements, with_people
from sparring.measure.outcomes import CODE
from sparring.measure.scorecard import Bout, Scorecard

B, H, U = Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED


def book(*pairs, judge="Judge 1", harm="desk"):
    return [
        Judged(f"{harm}/{k}", harm, f"q{k}", "so", "bot", judge, said, person) for k, (person, said) in enumerate(pairs)
    ]


def card(judge="ByHarm desk: Judge 1, leak: Other 2", harm="desk") -> Scorecard:
    outcomes = np.array([CODE[B]] * 4 + [CODE[H]] * 6, np.int8)
    bout = Bout("by hand", "none", "none", "any", True, outcomes=outcomes)
    return Scorecard(
        "bot", "cases", "any", judge, 0, [f"{harm}/{k}" for k in range(10)], [bout], groups=[f"{harm}/x"] * 10
    )


def test_the_datasheet_is_the_table_of_the_two_verdicts():
    (one,) = agreements(book((B, B), (B, B), (B, B), (B, H), (H, H), (H, B), (U, B), (B, U)))
    assert (one.found, one.missed, one.alarms, one.passed, one.untold) == (3, 1, 1, 1, 2)
    sheet = one.datasheet
    assert (sheet.sensitivity, sheet.specificity, sheet.n, sheet.positives) == (0.75, 0.5, 6, 4)
    assert sheet.version == "Judge 1" and "people" in sheet.source


def test_without_labels_of_both_kinds_there_is_no_datasheet_and_never_a_zero():
    assert agreements([]) == []
    for pairs in ([(B, B)], [(H, H)], [(U, B), (B, U)]):
        (one,) = agreements(book(*pairs))
        assert one.datasheet is None
    assert one.sensitivity.value is None and one.specificity.value is None


def test_versions_and_harms_are_told_apart():
    found = agreements([*book((B, B)), *book((B, H), judge="Judge 2"), *book((B, B), harm="leak")])
    assert [(one.harm, one.judge, one.found, one.missed) for one in found] == [
        ("desk", "Judge 1", 1, 0), ("desk", "Judge 2", 0, 1), ("leak", "Judge 1", 1, 0),
    ]  # fmt: skip


def test_peoples_verdicts_correct_the_rates_of_that_version_alone():
    labels = book(*[(B, B)] * 8, *[(B, H)] * 2, *[(H, H)] * 9, (H, B))
    told = with_people(card(), labels)
    # Rogan and Gladen: (0.4 + 0.9 - 1) / (0.8 + 0.9 - 1)
    assert told.corrected("by hand").value == pytest.approx(0.3 / 0.7)
    assert with_people(card("ByHarm desk: Judge 11"), labels).datasheets == {}
    assert with_people(card("ByHarm help-desk: Judge 1"), labels).datasheets == {}
    assert with_people(card(), book((B, B))).datasheets == {}
    assert with_people(card(), [dataclasses.replace(one, harm="other") for one in labels]).datasheets == {}
