"""Wrapping: the chat inside an agent is wrapped, never the agent, and nothing but a chat."""

import pytest

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.target import Hardening
from sparring.domains.language.agent import Agent
from sparring.domains.language.support_desk.world import DeskToolbox
from sparring.domains.language.toy import GullibleChat
from sparring.mitigate.sandwich import Sandwich
from sparring.mitigate.wrapped import Wrapped
from tests.mitigate.scripted import Answers, texts

NONE = Cases([], [], [])


def test_an_agent_is_refused_because_its_tools_would_speak_unseen():
    agent = Agent(GullibleChat(), DeskToolbox())
    for target in (agent, Wrapped(agent, None, Hardening("x"))):
        with pytest.raises(Incompatible, match=r"got the Agent itself. Use agent.around\(defence.harden\(agent.inner"):
            Sandwich().harden(target, NONE)


def test_inside_an_agent_it_sees_what_every_call_brings_in():
    chat = Answers(lambda one: 'CALL lookup_ticket {"ticket": 1}' if one.turn == 1 else "done")
    agent = Agent(chat, DeskToolbox())
    hardened = agent.around(Sandwich().harden(agent.inner, NONE))
    hardened(["How is ticket 1?"])
    assert [one[-1].role for one in chat.asked] == ["user", "user"]
    assert texts(chat.asked[1], "tool") == ["error:  has no ticket 1"]
    assert chat.asked[1][-1].text.endswith("\nHow is ticket 1?")


def test_what_does_not_chat_is_refused():
    with pytest.raises(Incompatible, match=r"mitigate.sandwich wraps a Chat target; got int"):
        Sandwich().harden(3, NONE)


def test_the_target_stays_as_it_was_and_the_lineage_names_the_defence():
    target = GullibleChat()
    hardened = Sandwich().harden(target, NONE)
    assert target.lineage == () and hardened.lineage[-1].defence == "mitigate.sandwich"
    assert hardened.lineage[-1].families == ()
