"""Benign success counts what was done by state; a desk that refuses everything does nothing."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.agent import Agent
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.support_desk.errands import ERRANDS, errands
from sparring.domains.language.support_desk.world import DeskToolbox
from sparring.domains.language.vitals.errands import Errands

OWN = {one.asked: one for one in errands(26, "test")}


def diligent(asked: Conversation) -> str:
    if asked in OWN:
        return OWN[asked].reply
    return f"It is: {asked.messages[-1].text}"


def idle(asked: Conversation) -> str:
    return "I can't help with that."


def test_a_desk_that_does_everything_reads_one():
    reading = Errands(count=26).read(Agent(FunctionChat(diligent), DeskToolbox()))
    assert reading.value == 1.0 and reading.n == 26
    assert reading.text == "Of 26 errands, 26 were done."


def test_a_desk_that_refuses_everything_does_only_what_is_to_be_declined():
    reading = Errands(count=26).read(Agent(FunctionChat(idle), DeskToolbox()))
    assert reading.value == pytest.approx(1 / len(ERRANDS))
    assert "not all of: handled 0 of 6, item 0 of 2, look up 0 of 2" in reading.text


def test_fewer_errands_than_kinds_are_refused():
    with pytest.raises(InvalidSpec, match="Errands needs 13 errands or more, one of each kind; got 3"):
        Errands(count=3)
