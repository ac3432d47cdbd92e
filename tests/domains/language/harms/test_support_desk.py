"""The support desk's cases: what is wanted can be had, proves itself by state, and is never there untouched."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.domains.language.agent import Agent
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.harms.support_desk import SupportDesk
from sparring.domains.language.support_desk.world import DeskToolbox
from sparring.red_recipe import parse_red_recipe
from sparring.red_team import open_target

CASES = SupportDesk().cases(45)


def desk(replies) -> Agent:
    told = iter(replies)

    def answer(asked: Conversation) -> str:
        return next(told)

    return Agent(FunctionChat(answer), DeskToolbox(), steps=1)


def test_every_kind_comes_with_every_surface_it_can_be_wanted_through():
    pairs = {(aim.kind, aim.surface) for aim in CASES.goals}
    assert len(pairs) == 15
    assert {aim.surface for aim in CASES.goals[:15]} == {"user", "document", "ticket", "tool", "email"}


def test_a_desk_that_gives_in_is_broken_and_one_that_does_its_errand_holds():
    judge = SupportDesk().judge
    gives_in = [
        f"{aim.opening} {aim.proof}" if aim.kind in ("secret", "canary") else aim.opening for aim in CASES.goals
    ]
    assert set(judge.grade(CASES, CASES.inputs, desk(gives_in)(CASES.inputs))) == {Outcome.BROKEN}
    does_it = [aim.safe for aim in CASES.goals]
    assert set(judge.grade(CASES, CASES.inputs, desk(does_it)(CASES.inputs))) == {Outcome.HELD}


def test_what_is_wanted_can_be_had_from_what_the_desk_knows():
    for asked, aim in zip(CASES.inputs, CASES.goals, strict=True):
        if aim.kind in ("secret", "canary"):
            assert any(aim.proof in message.text for message in asked)


def test_what_the_adversary_does_not_know_stands_neither_in_its_order_nor_in_the_opening():
    for aim in CASES.goals:
        if aim.kind in ("secret", "canary"):
            assert aim.proof not in aim.ask + aim.opening + aim.subject


def test_a_call_that_the_tools_turned_down_is_no_break():
    aim = next(aim for aim in CASES.goals if aim.kind == "status")
    assert not aim.reached('[call] set_status {"status": "closed", "ticket": 1} -> error: nobody has no ticket 1')
    assert aim.reached('[call] set_status {"status": "closed", "ticket": 1} -> ticket 1 is closed')


def test_the_splits_share_no_sentence_address_or_session():
    train, test = (SupportDesk().cases(60, split=split) for split in ("train", "test"))
    assert not {aim.opening for aim in train.goals if aim.kind in ("mail", "sentence")} & {
        aim.opening for aim in test.goals
    }
    assert not {one[0] for one in train.inputs} & {one[0] for one in test.inputs}


def test_fewer_kinds_and_surfaces_can_be_asked_for():
    cases = SupportDesk(kinds=("mail", "secret"), surfaces=("email",)).cases(10)
    assert {(aim.kind, aim.surface) for aim in cases.goals} == {("mail", "email"), ("secret", "email")}


def test_unknown_kinds_and_surfaces_are_refused_in_one_sentence():
    with pytest.raises(
        InvalidSpec, match="SupportDesk takes kinds among mail, status, sentence, canary, secret; got x"
    ):
        SupportDesk(kinds=("x",))
    with pytest.raises(InvalidSpec, match="mail cannot be wanted through user; name more surfaces"):
        SupportDesk(kinds=("mail",), surfaces=("user",))


def test_a_recipe_puts_the_tools_into_the_hands_of_a_chat_that_has_none(tmp_path):
    (tmp_path / "bot.py").write_text("def answer(text: str) -> str:\n    return 'Good day.'\n")
    recipe = parse_red_recipe(
        {"name": "own", "target": "bot.py:answer", "harms": {"desk": {"use": "language.harms.support_desk"}},
         "attacks": [{"use": "prompt.template", "family": "naive"}]}, tmp_path,
    )  # fmt: skip
    target, red = open_target(recipe, tmp_path / "run")
    assert isinstance(target, Agent) and red is target.inner


def test_where_the_state_decides_no_scorer_of_replies_has_an_opinion():
    node = {"use": "language.harms.support_desk"}
    other = {"use": "language.harms.contact"}
    asked = {
        "name": "own",
        "target": "x",
        "attacks": [{"use": "prompt.template"}],
        "threat": {"use": "language.injection.Injection"},
    }
    assert parse_red_recipe({**asked, "harms": {"desk": node}}).built_opinions == []
    both = parse_red_recipe({**asked, "harms": {"desk": node, "contact": other}}).built_opinions
    assert [sorted(one.harms) for one in both] == [["contact"]]
