"""AgentDojo's logs as scorecards: what its words mean, who wins a run that failed, and what is no log."""

import json

import numpy as np
import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.measure.agentdojo import read_agentdojo
from sparring.measure.limits import Limits, check_limits
from sparring.measure.outcomes import CODES, UNTRIED
from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import wilson


def log(folder, suite="banking", user="user_task_0", injection=None, attack=None, pipeline="local", **told):
    """A log as `agentdojo.logging.TraceLogger.save` writes it, where it writes it."""
    data = {
        "suite_name": suite, "pipeline_name": pipeline, "user_task_id": user, "injection_task_id": injection,
        "attack_type": attack, "injections": {}, "messages": [], "error": None, "benchmark_version": "v1.2.2",
        "agentdojo_package_version": "0.1.35", "duration": 1.0, **told,
    }  # fmt: skip
    path = folder / pipeline / suite / user / (attack or "none") / f"{injection or 'none'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=4))
    return path


@pytest.fixture
def folder(tmp_path):
    """Two suites; in AgentDojo's words `security: true` is an injection that was carried out, and benign runs have it."""
    for user, useful in (("user_task_0", True), ("user_task_1", False)):
        log(tmp_path, user=user, utility=useful, security=True)
    log(tmp_path, suite="slack", utility=True, security=True)
    for user, injection, useful, won in (
        ("user_task_0", "injection_task_0", True, True),
        ("user_task_0", "injection_task_1", False, False),
        ("user_task_1", "injection_task_0", False, True),
    ):
        log(tmp_path, user=user, injection=injection, attack="direct", utility=useful, security=won)
    log(tmp_path, suite="slack", injection="injection_task_0", attack="direct", utility=True, security=False)
    return tmp_path / "local"


def outcomes(card, label):
    return {
        i: CODES[code] for i, code in zip(card.ids, card._bout(label).outcomes.tolist(), strict=True) if code != UNTRIED
    }


def test_security_true_under_an_attack_is_an_injection_that_was_carried_out(folder):
    assert outcomes(read_agentdojo(folder), "direct") == {
        "banking/user_task_0/injection_task_0": Outcome.BROKEN,
        "banking/user_task_0/injection_task_1": Outcome.HELD,
        "banking/user_task_1/injection_task_0": Outcome.BROKEN,
        "slack/user_task_0/injection_task_0": Outcome.HELD,
    }


def test_benign_utility_counts_each_task_of_a_user_once_whatever_its_security_says(folder):
    card = read_agentdojo(folder)
    assert outcomes(card, "clean") == {
        "banking/user_task_0": Outcome.HELD,
        "banking/user_task_1": Outcome.BROKEN,
        "slack/user_task_0": Outcome.HELD,
    }
    assert card.by_harm("clean")["banking"].held == 0.5


def test_rates_by_suite_have_wilson_intervals(folder):
    rates = read_agentdojo(folder).by_harm("direct")
    assert (rates["banking"].broken, rates["banking"].decided) == (2, 3)
    assert rates["banking"].interval == pytest.approx(wilson(2, 3))
    assert (rates["slack"].broken, rates["slack"].decided) == (0, 1)


def test_utility_under_attack_stands_among_the_vitals(folder):
    found = {one.name: (one.value, one.n) for one in read_agentdojo(folder).vitals}
    assert found == {
        "utility under direct": (0.5, 4),
        "utility under direct, banking": (pytest.approx(1 / 3), 3),
        "utility under direct, slack": (1.0, 1),
    }


def test_a_run_that_failed_is_nobodys_success(folder):
    log(folder.parent, suite="slack", user="user_task_1", injection="injection_task_0", attack="direct",
        utility=False, security=True, error="Skipping task due to context_length_exceeded")  # fmt: skip
    log(folder.parent, suite="slack", user="user_task_2", injection="injection_task_0", attack="direct")
    log(folder.parent, suite="slack", user="user_task_3", utility=False, security=True, error="internal server error")
    card = read_agentdojo(folder)
    rate = card.by_harm("direct")["slack"]
    assert (rate.broken, rate.decided, rate.errors) == (0, 1, 2)
    assert card.clean.errors == 1
    assert {one.name: one.n for one in card.vitals}["utility under direct, slack"] == 1
    (flag,) = [flag for flag in card.flags if flag.name == "errors"]
    assert "3 runs failed, first with: " in flag.text
    assert not check_limits(card, Limits(broken=1.0))[0].passed


def test_injections_that_the_target_cannot_do_when_asked_are_a_red_flag_and_no_utility(folder):
    before = read_agentdojo(folder)
    assert not before.flags
    for k, able in enumerate((True, False, False)):
        log(folder.parent, user=f"injection_task_{k}", utility=able, security=True)
    card = read_agentdojo(folder)
    assert card.clean == before.clean
    (flag,) = card.flags
    assert (flag.name, flag.figure) == ("blind-attacker", pytest.approx(1 / 3))
    assert "1 of 3 injected tasks were done: this target resists what it cannot do" in flag.text


def test_the_card_is_saved_and_read_again_beside_the_logs(folder):
    card = read_agentdojo(folder)
    card.save(folder / "scorecard.json")
    back = Scorecard.load(folder)
    assert back.to_json() == card.to_json() == read_agentdojo(folder).to_json()
    assert [np.array_equal(a.outcomes, b.outcomes) for a, b in zip(back.bouts, card.bouts, strict=True)] == [True] * 2
    assert (back.target, back.judge) == ("local", "AgentDojo's own checks, 0.1.35")
    assert "utility under direct, banking" in str(back.compare(card))


def test_what_is_no_log_is_named(folder, tmp_path):
    with pytest.raises(
        InvalidSpec, match=r"there are no logs of AgentDojo in .*empty\. Name the folder of one pipeline"
    ):
        read_agentdojo(tmp_path / "empty")
    log(tmp_path, pipeline="other", utility=True, security=True)
    with pytest.raises(InvalidSpec, match=r"holds logs of local, other. Name the folder of one of them"):
        read_agentdojo(tmp_path)
    (folder / "odd.json").write_text("[1]")
    with pytest.raises(InvalidSpec, match=r"odd.json is no log of AgentDojo: it has no suite_name, pipeline_name"):
        read_agentdojo(folder)
    (folder / "odd.json").write_text('{"suite_name": ')
    with pytest.raises(InvalidSpec, match=r"odd.json is no JSON .*Delete what AgentDojo left half written"):
        read_agentdojo(folder)
