"""Replay: stored attempts through the same admission and judge, on another target."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from sparring.measure.outcomes import UNTRIED
from sparring.measure.replay import replay, stored_attempts

THREAT = LpBall("inf", 0.01)


@pytest.fixture
def earlier(tmp_path):
    return measure(toy_classifier(), toy_cases(), THREAT, attacks=[PGD(steps=10)], workspace=tmp_path / "earlier")


def test_what_broke_a_target_breaks_it_again_and_nothing_else_is_measured(earlier):
    broken = earlier.broken()
    assert 0 < len(broken) < len(toy_cases())
    card = replay(toy_classifier(), broken, THREAT, toy_cases())
    assert card.ids == list(broken.ids)
    assert (card.worst().broken, card.worst().decided) == (len(broken), len(broken))
    assert [bout.role for bout in card.bouts] == ["clean", "replay"]


def test_figures_on_another_target_are_those_that_asking_it_directly_gives(earlier):
    broken, other = earlier.broken(), toy_classifier(seed=5)
    places = [toy_cases().ids.index(name) for name in broken.ids]
    clean = other(toy_cases().inputs[places]).argmax(1) != broken.goals.labels
    attacked = other(broken.inputs).argmax(1) != broken.goals.labels
    card = replay(other, broken, THREAT, toy_cases())
    assert card.worst().broken == int((clean | attacked).sum())


def test_of_several_attempts_on_one_case_the_one_that_breaks_counts(earlier):
    broken = earlier.broken()[:1]
    original = toy_cases()[np.array([toy_cases().ids.index(broken.ids[0])])]
    both = replace(
        broken, ids=[broken.ids[0]] * 2, inputs=torch.cat([original.inputs, broken.inputs]),
        goals=type(broken.goals)(broken.goals.labels.repeat(2)),
    )  # fmt: skip
    assert replay(toy_classifier(), both, THREAT, toy_cases()).worst().broken == 1


def test_an_attempt_outside_the_threat_is_inadmissible_and_counts_as_nothing(earlier):
    card = replay(toy_classifier(), earlier.broken(), LpBall("inf", 0.001), toy_cases())
    assert card.worst().inadmissible == len(earlier.broken())
    assert card.worst().value is None


def test_cases_without_an_attempt_of_an_attack_stay_untried(earlier):
    broken = earlier.broken()
    parts = {"one": (broken[:1], THREAT), "rest": (broken[1:], THREAT)}
    card = replay(toy_classifier(), parts, THREAT, toy_cases())
    one = next(bout for bout in card.bouts if bout.label == "one")
    assert int((one.outcomes == UNTRIED).sum()) == len(broken) - 1


def test_stored_attempts_come_back_from_the_record(earlier, tmp_path):
    found = stored_attempts(tmp_path / "earlier", earlier, toy_cases(), {THREAT.describe(): THREAT})
    assert list(found) == ["pgd"]
    assert torch.equal(found["pgd"][0].inputs, earlier.broken().inputs)


def test_a_folder_without_a_record_and_other_cases_are_refused(earlier, tmp_path):
    with pytest.raises(InvalidSpec, match=r"holds no record of a run \(sparring\.db\)"):
        stored_attempts(tmp_path, earlier, toy_cases(), {})
    with pytest.raises(InvalidCases, match="these are not the cases of run"):
        stored_attempts(tmp_path / "earlier", earlier, toy_cases()[:3], {})
    with pytest.raises(InvalidSpec, match=r"pgd ran under .*which is not given"):
        stored_attempts(tmp_path / "earlier", earlier, toy_cases(), {})


def test_attempts_on_unknown_cases_and_an_empty_set_are_refused(earlier):
    with pytest.raises(InvalidCases, match="attempts belong to cases that are not here, such as 'toy-"):
        replay(toy_classifier(), earlier.broken(), THREAT, replace(toy_cases(), ids=[f"x{i}" for i in range(12)]))
    with pytest.raises(InvalidCases, match="there is nothing to replay: the earlier run broke no case"):
        replay(toy_classifier(), earlier.broken()[:0], THREAT, toy_cases())
