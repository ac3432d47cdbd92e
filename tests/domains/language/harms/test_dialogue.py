"""Dialogue: cases are turns of dialogues."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.harms.dialogue import Dialogue


def test_cases_are_the_turns_of_one_dialogue_after_the_other():
    cases = Dialogue(turns=3).cases(7)
    assert cases.ids == [
        *("dialogue/test/0#1", "dialogue/test/0#2", "dialogue/test/0#3"),
        *("dialogue/test/1#1", "dialogue/test/1#2", "dialogue/test/1#3"),
        "dialogue/test/2#1",
    ]
    assert cases.groups[:4] == ["dialogue/turn 1", "dialogue/turn 2", "dialogue/turn 3", "dialogue/turn 1"]
    assert [(want.dialogue, want.turn) for want in cases.goals[2:4]] == [("test/0", 3), ("test/1", 1)]


def test_all_turns_of_a_dialogue_have_one_prompt():
    goals = Dialogue(turns=3).cases(30).goals
    assert all(len({want.prompt for want in goals[k : k + 3]}) == 1 for k in range(0, 30, 3))
    assert len({want.prompt for want in goals}) == 5


def test_dialogues_of_the_splits_have_different_names():
    train, test = ({want.dialogue for want in Dialogue().cases(8, split=split).goals} for split in ("train", "test"))
    assert not train & test


def test_no_turns_are_refused_in_one_sentence():
    with pytest.raises(InvalidSpec, match="1 to 20 turns; got 0"):
        Dialogue(turns=0)
