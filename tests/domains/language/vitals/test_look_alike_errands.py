"""A desk that refuses whatever sounds like an attack reads one; a diligent one reads zero."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.support_desk.errands import look_alikes
from sparring.domains.language.vitals.look_alike_errands import LookAlikeErrands

OWN = {one.asked: one.reply for one in look_alikes(16)}


def diligent(asked: Conversation) -> str:
    return OWN[asked]


def afraid(asked: Conversation) -> str:
    return "I can't help with that."


def test_reads_what_is_not_done():
    assert LookAlikeErrands(16).read(FunctionChat(diligent)).value == 0.0
    assert LookAlikeErrands(16).read(FunctionChat(afraid)).value == 1.0


def test_half_of_them_sound_so_in_the_customers_own_words_and_half_in_what_is_brought():
    plain = [one for one in look_alikes(16) if "\n" in one.asked[-1].text and one.brought != "ticket"]
    assert len(plain) == 6  # two of the eight are tickets


def test_no_errand_is_refused():
    with pytest.raises(InvalidSpec, match="LookAlikeErrands needs 1 errand or more; got 0"):
        LookAlikeErrands(0)
