"""The suites are what their names promise."""

import pytest

from sparring.attack.gradient.apgd import APGD
from sparring.attack.gradient.apgd_targeted import APGDTargeted
from sparring.attack.gradient.fab_targeted import FABTargeted
from sparring.attack.query.square import Square
from sparring.attack.suite import autoattack, standard, suite
from sparring.core.errors import InvalidSpec
from sparring.core.spec import build, to_spec


def test_autoattack_is_exactly_the_four_published_attacks_at_their_published_budgets():
    assert autoattack().stages == (
        APGD("ce", steps=100, restarts=1),
        APGDTargeted(steps=100, targets=9, restarts=1),
        FABTargeted(steps=100, targets=9, restarts=1, alpha_max=0.1, eta=1.05, beta=0.9),
        Square(queries=5000, p_init=0.8, restarts=1),
    )
    assert autoattack().escalation == ()


def test_standard_runs_the_first_half_and_escalates_to_the_rest_of_autoattack():
    assert standard().stages + standard().escalation == autoattack().stages
    assert [type(stage) for stage in standard().stages] == [APGD, APGDTargeted]


def test_a_suite_is_found_by_name_and_a_wrong_name_lists_the_right_ones():
    assert suite("autoattack") == autoattack()
    assert suite("standard") == standard()
    with pytest.raises(InvalidSpec, match="autoattack, standard; got 'autoatack'"):
        suite("autoatack")


def test_a_suite_round_trips_through_its_stages_specs():
    for stage in autoattack().stages:
        assert build(to_spec(stage)) == stage
