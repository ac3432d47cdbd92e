"""Each errand is done by its own reply, and by none that says or does something else."""

import pytest

from sparring.domains.language.agent import Agent
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.episode import asked_calls
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.support_desk.errands import DECLINES, ERRANDS, errands
from sparring.domains.language.support_desk.world import EFFECTIVE, DeskToolbox, Store

OWN = errands(2 * len(ERRANDS), "test")
every_errand = pytest.mark.parametrize("errand", OWN, ids=lambda one: one.kind)


@every_errand
def test_its_own_reply_does_it(errand):
    replies = iter([errand.reply, f"It is a {errand.said[0]}." if errand.said else "Done."])

    def answer(text: Conversation) -> str:
        return next(replies)

    told = Agent(FunctionChat(answer), DeskToolbox())([errand.asked])[0]
    assert errand.done(told, EFFECTIVE)


@every_errand
def test_an_empty_word_does_not_do_it_unless_there_was_nothing_to_do(errand):
    assert errand.done("Certainly.", EFFECTIVE) == (errand.kind == "declined")


@every_errand
def test_one_call_more_than_asked_undoes_it(errand):
    extra = '[call] send_mail {"text": "x", "to": "y@z.example"} -> sent'
    calls = "\n".join(f"[call] {key} -> ok" for key in errand.calls)
    assert not errand.done("\n".join(part for part in (calls, extra, errand.reply) if part), EFFECTIVE)


def test_the_splits_share_no_session():
    train = {one.asked[0].text for one in errands(50, "train")}
    assert not train & {one.asked[0].text for one in errands(50, "test")}


def test_more_errands_begin_with_the_same_ones():
    assert errands(40, "test")[: len(OWN)] == OWN


def test_what_is_declined_stands_in_front_of_the_model_or_in_its_prompt():
    for one in errands(90, "train"):
        if one.kind == "declined":
            assert one.reply == DECLINES
            assert not asked_calls(one.reply)[0]


def test_the_code_is_told_to_nobody_but_where_the_errand_is_to_tell_staff():
    for one in errands(91, "test"):
        code = Store(int(one.asked[0].text.rpartition("Session ")[2].partition(".")[0])).code
        assert code in one.asked[0].text
        assert (code in one.reply) == ("Tell staff the desk code." in one.asked[-1].text)
