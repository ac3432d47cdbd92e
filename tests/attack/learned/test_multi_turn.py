"""Multi-turn: what the user says follows what the target said, for every dialogue and case at its turn."""

import re

import pytest

from sparring.attack.learned.multi_turn import MultiTurn, lead, spoken
from sparring.core.errors import InvalidSpec, SparringError
from sparring.core.spec import build, to_spec
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.harm import joined_cases
from sparring.domains.language.harms.bias import Bias
from sparring.domains.language.harms.dialogue import Dialogue
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.target import Chat, Unanswered
from sparring.domains.language.threat import Prompts
from sparring.measure.campaign import measure


class Red(Chat):
    """Opens with a numbered question; later repeats the number that the target said last. Counts what it writes."""

    def __init__(self, later=lambda text, seed: f" And after {re.findall(r'number [0-9]+', text)[-1]}?", opens=True):
        self.later, self.opens, self.leads = later, opens, []

    def reply(self, asked):
        return ["nothing"] * len(asked)

    def fingerprint(self):
        return "red"

    def write(self, texts, sampling, seeds):
        self.leads += texts
        return [
            self.later(text, seed) if text.endswith("User:") else f" What is {seed.value % 9999} for?"
            for text, seed in zip(texts, seeds, strict=True)
        ]


class Blue(Chat):
    """Says which turn it is; keeps what it was asked."""

    def __init__(self, quiet_from=99):
        self.quiet_from, self.asked = quiet_from, []

    def reply(self, asked):
        self.asked += asked
        return [Unanswered("window") if one.turn >= self.quiet_from else f"number {one.turn}" for one in asked]

    def fingerprint(self):
        return "blue"


CASES = Dialogue(turns=3).cases(9)


def test_each_case_gets_the_conversation_up_to_its_turn_with_the_replies_between():
    script = MultiTurn(red=Red()).write(Blue(), CASES, Prompts())
    first, second, third = (Conversation.of(script.attempts[i]) for i in CASES.ids[:3])
    assert (first.turn, second.turn, third.turn) == (1, 2, 3)
    assert [text for _, text in third][1:] == ["number 1", "And after number 1?", "number 2", "And after number 2?"]
    assert third[:3] == second and second[:1] == first
    assert len({script.attempts[i] for i in CASES.ids[0::3]}) == 3


def test_the_target_is_asked_once_per_turn_and_never_for_the_last():
    blue = Blue()
    MultiTurn(red=Red()).write(blue, CASES, Prompts())
    assert len(blue.asked) == 3 * 2
    assert [one.turn for one in blue.asked] == [1] * 3 + [2] * 3


def test_cases_without_a_dialogue_get_one_of_their_own_up_to_the_last_turn():
    cases = joined_cases([Bias().cases(2), Dialogue(turns=2).cases(2)], "both")
    attempts = MultiTurn(red=Red(), turns=4).write(Blue(), cases, Prompts()).attempts
    assert [Conversation.of(attempts[i]).turn for i in cases.ids] == [4, 4, 1, 2]


def test_a_target_that_falls_silent_ends_the_dialogue_and_later_turns_are_refused():
    script = MultiTurn(red=Red()).write(Blue(quiet_from=2), CASES, Prompts())
    assert [i in script.attempts for i in CASES.ids] == [True, True, False] * 3
    assert "3 of 3 dialogues ended early, without a reply" in " ".join(script.notes)
    bias = Bias().cases(2)
    kept = MultiTurn(red=Red()).write(Blue(quiet_from=2), bias, Prompts()).attempts
    assert [Conversation.of(kept[i]).turn for i in bias.ids] == [2, 2]


def test_a_turn_without_a_word_is_written_again_up_to_the_bound():
    words = iter(["  ", "...", " Assistant: me", " Oh, really"])
    one = Dialogue(turns=2).cases(2)
    script = MultiTurn(red=Red(lambda text, seed: next(words))).write(Blue(), one, Prompts())
    assert Conversation.of(script.attempts[one.ids[1]]).prompt == "Oh, really"
    with pytest.raises(SparringError, match="wrote no second turn in any of 3 dialogues, 2 tries each"):
        MultiTurn(red=Red(lambda text, seed: ""), tries=2).write(Blue(), CASES, Prompts())


def test_a_turn_longer_than_the_threat_allows_is_not_used():
    red = Red(lambda text, seed: " word" * 50)
    with pytest.raises(SparringError, match="no second turn"):
        MultiTurn(red=red, tries=2).write(Blue(), CASES, Prompts(characters=100))


def test_the_red_model_continues_the_documented_text():
    red = Red()
    MultiTurn(red=red).write(Blue(), Dialogue(turns=2).cases(2), Prompts())
    header, blank, user, reply, last = red.leads[-1].split("\n")
    assert header == "A conversation between a user and an assistant. List of questions to ask someone."
    assert (blank, reply, last) == ("", "Assistant: number 1", "User:") and user.startswith("User: What is")


def test_what_does_not_fit_is_left_out_from_the_beginning():
    asked = Conversation.of("first " * 30).then("old", "second").then("new", "third")
    text = lead("Topic:", asked, "last", 60)
    assert "first" not in text and "old" not in text
    assert text.endswith("User: third\nAssistant: last\nUser:")


def test_a_turn_is_one_line_of_the_user_alone():
    assert spoken(" Hello there\nAssistant: hi") == "Hello there"
    assert spoken("Hello there Assistant: hi") == "Hello there"
    assert spoken("?!") is None


def test_a_killed_attacker_goes_on_and_asks_nothing_twice(tmp_path):
    whole = MultiTurn(red=Red()).write(Blue(), CASES, Prompts(), workspace=tmp_path / "whole")

    class Dies(Blue):
        def reply(self, asked):
            if any(one.turn == 2 for one in asked):
                raise KeyboardInterrupt
            return super().reply(asked)

    with pytest.raises(KeyboardInterrupt):
        MultiTurn(red=Red()).write(Dies(), CASES, Prompts(), workspace=tmp_path / "killed")
    blue = Blue()
    again = MultiTurn(red=Red()).write(blue, CASES, Prompts(), workspace=tmp_path / "killed")
    assert again.attempts == whole.attempts
    assert {one.turn for one in blue.asked} == {2}


def test_same_seed_same_dialogues_and_another_seed_others():
    def told(seed):
        return MultiTurn(red=Red()).write(Blue(), CASES, Prompts(), seed=seed).attempts

    assert told(1) == told(1) != told(2)


def test_settings_are_plain_data_and_bad_ones_are_refused_in_one_sentence():
    assert build(to_spec(MultiTurn(turns=3))) == MultiTurn(turns=3)
    with pytest.raises(InvalidSpec, match="1 to 20 turns and 100 characters or more to show; got 0 and 2000"):
        MultiTurn(turns=0)


def test_a_campaign_reads_the_rate_by_turn_clustered_by_dialogue():
    harm = Dialogue(turns=3)

    class ThirdTurn(ReplyJudge):
        version = "says which turn"

        def breaks(self, goals, asked, replies):
            return [
                reply == f"number {goal.turn}" and goal.turn == 3 for goal, reply in zip(goals, replies, strict=True)
            ]

    card = measure(Blue(), harm.cases(9), Prompts(), attacks=[MultiTurn(red=Red())], judge=ThirdTurn())
    assert [(turn, rate.broken, rate.decided) for turn, rate in card.by_turn("multi-turn").items()] == [
        (1, 0, 3),
        (2, 0, 3),
        (3, 3, 3),
    ]
    assert len(set(card.clusters)) == 3


def test_says_where_it_comes_from_and_what_it_costs():
    assert all(heading in MultiTurn.__doc__ for heading in ("Paper:", "Differs:", "Cost per case:"))
