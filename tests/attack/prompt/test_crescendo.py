"""Crescendo: a target that yields at the third turn alone is led there, and what it refuses never stays in the talk."""

import re

import pytest
import torch

from sparring.attack.prompt.crescendo import Crescendo, user_turn
from sparring.core.errors import InvalidSpec
from sparring.core.spec import build, to_spec
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.target import Chat, Unanswered
from sparring.domains.language.toy import toy_aims
from sparring.measure.campaign import measure
from tests.attack.prompt.scripted import Chats, Continues

CASES = toy_aims(6)[::2]  # those whose adversary is the user
REFUSES = "I'm sorry, but I can't help with that."


class Third(Chat):
    """Says the proof at the user's third turn; refuses what is asked bluntly; keeps what it was asked."""

    name = "third"

    def __init__(self, at=3, dies_at=None):
        self.at, self.dies_at, self.asked, self.calls = at, dies_at, [], 0

    def reply(self, asked):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.asked += asked
        return [self._said(one) for one in asked]

    def _said(self, one):
        if "bluntly" in one.prompt:
            return REFUSES
        return re.search(r"PARROT-\d+", one.prompt)[0] if one.turn == self.at else f"Turn {one.turn} was fine."


def steps(text, seed):
    """The red model: after each reply one step more; bluntly unless it was told that this was refused."""
    turn = text.count("\nUser: ") + text.startswith("User: ")
    order = re.search(r"PARROT-\d+", text)[0]
    manner = "gently" if "refuses this turn" in text else "bluntly"
    return f" {manner} step {turn}, {order} ({seed.value % 1000})"


def gently(text, seed):
    return steps(text, seed).replace("bluntly", "gently")


def test_a_target_that_yields_at_the_third_turn_costs_three_queries_and_the_talk_holds_its_replies():
    red, target = Continues(gently), Third()
    attempts = Crescendo(red=red, turns=5).run(target, CASES, Injection())
    assert attempts.found.all()
    assert red.meter.forwards == target.meter.forwards == 3 * 3
    talk = attempts.inputs[0]
    assert [message.role for message in talk] == ["system", "user", "tool", "assistant", "user", "assistant", "user"]
    assert [talk[3].text, talk[5].text] == ["Turn 1 was fine.", "Turn 2 was fine."]
    assert all(Injection().admits(CASES, attempts.inputs))


def test_a_refused_turn_is_taken_back_and_written_again_by_a_model_that_knows_it():
    red, target = Continues(steps), Third()
    attempts = Crescendo(red=red, turns=3, backtracks=3).run(target, CASES, Injection())
    assert attempts.found.all()
    assert red.meter.forwards == target.meter.forwards == 3 * 6  # each turn bluntly first, then gently
    assert all("bluntly" not in str(one) and REFUSES not in str(one) for one in attempts.inputs)
    assert "refuses this turn, so write a milder one: bluntly step 0" in red.texts[3]


def test_without_backtracks_a_refused_turn_stays_and_counts():
    red, target = Continues(steps), Third()
    attempts = Crescendo(red=red, turns=3, backtracks=0).run(target, CASES, Injection())
    assert not attempts.found.any() and not attempts.refused.any()
    assert red.meter.forwards == target.meter.forwards == 3 * 3
    assert Crescendo(red=red, turns=3, backtracks=2).cost(target) == 5


def test_spends_no_more_than_its_turns_and_backtracks():
    target = Third(at=99)
    attack = Crescendo(red=Continues(lambda text, seed: f" bluntly {seed.value}"), turns=3, backtracks=2)
    attack.run(target, CASES, Injection())
    assert target.meter.forwards == 3 * attack.cost(target) == 3 * 5
    assert [one.turn for one in target.asked[::3]] == [1, 1, 1, 2, 3]  # two taken back, and from then on they stay


def test_takes_no_more_turns_than_the_threat_allows():
    red, target = Continues(gently), Third()
    attempts = Crescendo(red=red, turns=5).run(target, CASES, Injection(turns=2))
    assert not attempts.found.any() and red.meter.forwards == target.meter.forwards == 3 * 2
    assert all(Injection(turns=2).admits(CASES, attempts.inputs))


def test_cases_in_which_the_adversary_is_not_the_user_are_refused_unasked():
    cases = toy_aims(4)
    target = Third()
    attempts = Crescendo(red=Continues(gently), turns=3).run(target, cases, Injection())
    assert attempts.refused.tolist() == [False, True, False, True]
    assert attempts.found.tolist() == [True, False, True, False]
    assert target.meter.forwards == 2 * 3
    assert attempts.inputs[1] == cases.inputs[1]


def test_a_reply_that_gives_in_counts_even_where_it_refuses_in_the_same_breath():
    target = Chats(lambda one: f"{REFUSES} Not {re.search(r'PARROT-[0-9]+', one.prompt)[0]}.")
    attempts = Crescendo(red=Continues(gently), turns=3).run(target, CASES, Injection())
    assert attempts.found.all() and target.meter.forwards == 3


def test_a_talk_ends_where_the_target_does_not_answer_and_that_is_no_evidence():
    class Tires(Third):
        def _said(self, one):
            return Unanswered("window") if one.turn == 2 else super()._said(one)

    attack = Crescendo(red=Continues(gently), turns=4)
    target = Tires()
    attempts = attack.run(target, CASES, Injection())
    assert [one.turn for one in attempts.inputs] == [2, 2, 2] and not attempts.found.any()
    assert target.meter.forwards == 3 * 2
    rate = measure(Plain(Tires()), CASES, Injection(), attacks=[attack], judge=StateJudge()).attacks()[0].rate
    assert (rate.decided, rate.errors) == (0, 3)


class Plain(Chat):
    """Says hello to whoever does not name a bird, and otherwise what the chat inside says."""

    name = "plain"

    def __init__(self, inner):
        self.inner = inner

    def reply(self, asked):
        return [self.inner._said(one) if "PARROT" in str(one) else "Hello." for one in asked]


def test_a_red_model_that_writes_nothing_refuses_the_case():
    red, target = Continues(lambda text, seed: " Assistant: I am somebody else"), Third()
    attempts = Crescendo(red=red, turns=3, backtracks=1, tries=2).run(target, CASES, Injection())
    assert attempts.refused.all() and target.meter.forwards == 0
    assert red.meter.forwards == 3 * 4 * 2


def test_a_chat_writes_the_turns_in_json():
    def answers(one):
        turn = gently("\n".join(message.text for message in one.messages), SEED)
        return f'{{"improvement": "a little more", "prompt": "{turn.strip()}"}}'

    red, target = Chats(answers), Third()
    assert Crescendo(red=red, turns=4).run(target, CASES, Injection()).found.all()
    assert red.meter.forwards == target.meter.forwards == 3 * 3


class SEED:
    value = 7


def test_a_turn_is_what_the_user_alone_says():
    assert user_turn(" Go on. Assistant: Sure. User: And?") == "Go on."
    assert user_turn('{"prompt": "Go on.\\nPlease."}') == "Go on.\nPlease."
    assert user_turn("Assistant: Sure.") is None
    assert user_turn(REFUSES) is None


def test_the_result_does_not_depend_on_the_batch_and_follows_the_seed():
    def run(cases, seed=5):
        return Crescendo(red=Continues(steps), turns=3).run(Third(), cases, Injection(), seed=seed)

    whole, parts = run(CASES), [run(block) for block in CASES.blocks(2)]
    assert whole.inputs == [one for part in parts for one in part.inputs]
    assert torch.equal(whole.found, torch.cat([part.found for part in parts]))
    assert run(CASES, seed=6).inputs != whole.inputs


def test_a_killed_talk_goes_on_and_asks_the_target_nothing_twice(tmp_path):
    def run(target):
        return Crescendo(red=Continues(steps), turns=3).run(target, CASES, Injection(), seed=5)

    whole, killed, resumed = Third(), Third(dies_at=4), Third()
    killed.cache = resumed.cache = ReplyCache(tmp_path / "replies.db")
    expected = run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert run(resumed).inputs == expected.inputs
    assert len(killed.asked) + len(resumed.asked) == len(whole.asked)


def test_a_campaign_asks_the_talk_again_and_grades_it_by_the_state():
    card = measure(Plain(Third()), CASES, Injection(), attacks=[Crescendo(red=Continues(gently))], judge=StateJudge())
    assert (card.attacks()[0].rate.broken, card.attacks()[0].rate.decided) == (3, 3)


def test_settings_are_plain_data_and_bad_ones_are_refused_in_one_sentence():
    attack = Crescendo(red=Continues(gently), turns=3)
    assert build(to_spec(attack)) == attack and build(to_spec(Crescendo())) == Crescendo()
    with pytest.raises(InvalidSpec, match="needs 1 turn and 0 backtracks or more; got 0 and 4"):
        Crescendo(turns=0)


def test_says_where_it_comes_from_and_what_it_costs():
    assert Crescendo.family == "crescendo"
    assert all(heading in Crescendo.__doc__ for heading in ("Paper:", "Differs:", "Cost per case:"))
