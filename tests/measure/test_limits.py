"""Limits: a gate opens on evidence alone."""

import numpy as np
import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.measure.limits import Limits, check_limits
from sparring.measure.outcomes import codes
from sparring.measure.scorecard import Bout, Scorecard


def card(clean: str, attacked: str) -> Scorecard:
    """A scorecard from letters: b broken, h held, e error, a already broken."""
    letter = {"b": Outcome.BROKEN, "h": Outcome.HELD, "e": Outcome.ERROR, "a": Outcome.ALREADY_BROKEN}

    def bout(label: str, role: str, outcomes: str) -> Bout:
        found = np.array(codes([letter[one] for one in outcomes]))
        return Bout(label, label, "gradient", "a threat", False, role, outcomes=found)

    bouts = [bout("clean", "clean", clean), bout("pgd", "attack", attacked)]
    return Scorecard("t", "c", "a threat", "j", 0, [str(i) for i in range(len(clean))], bouts)


def passed(found: Scorecard, **limits: float) -> list[bool]:
    return [finding.passed for finding in check_limits(found, Limits(**limits))]


def test_each_limit_is_met_at_exactly_its_value_and_missed_beyond():
    found = card("hhhb", "bhha")
    assert passed(found, broken=0.5, clean=0.75) == [True, True]
    assert passed(found, broken=0.49, clean=0.76) == [False, False]


def test_cases_without_a_verdict_never_pass_as_held():
    found = card("hhhh", "heee")
    assert passed(found, broken=0.5) == [False]
    assert passed(found, broken=0.5, undecided=0.75) == [True]
    assert "3 of 4 cases have no verdict" in check_limits(found, Limits(broken=0.5))[0].text


def test_nothing_measured_never_passes():
    finding = check_limits(card("hh", "hh"), Limits(broken_held_out=1.0))[0]
    assert not finding.passed
    assert "nothing was decided, so nothing is known" in finding.text


def test_limits_outside_zero_to_one_and_none_at_all_are_refused():
    with pytest.raises(InvalidSpec, match="the limit clean is a share between 0 and 1; got 95"):
        Limits(clean=95)
    with pytest.raises(InvalidSpec, match="there is nothing to check"):
        check_limits(card("h", "h"), Limits())
