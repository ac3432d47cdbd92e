"""An endpoint that shuts out whoever asks in the middle of a run: an outcome of its own, no storm, nothing lost."""

from xml.etree import ElementTree

import numpy as np
import pytest

from sparring.core.errors import BadTarget
from sparring.core.judge import Outcome
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.target import Unanswered
from sparring.domains.language.vitals.plain_questions import PlainQuestions
from sparring.measure.limits import Limits, check_limits
from sparring.measure.outcomes import CODE
from sparring.measure.scorecard import Scorecard
from sparring.report.html import write_report
from sparring.report.junit import write_junit
from sparring.report.table import comparison_text
from tests.domains.language.campaign import campaign
from tests.domains.language.scripted_server import FastClock, ScriptedServer, answer, status

DEACTIVATED = '{"error": {"message": "The account you use was deactivated.", "code": "account_deactivated"}}'
BANNED = CODE[Outcome.BANNED]


@pytest.fixture
def server():
    with ScriptedServer() as running:
        yield running


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def endpoint(server, **settings):
    return Endpoint(server.url, "small", **{"clock": FastClock(), "timeout": 5, "concurrency": 1, **settings})


@pytest.mark.parametrize(
    "step",
    [
        status(401),
        status(403, "<html>go away</html>", "text/html"),
        status(400, DEACTIVATED),
        status(429, '{"error": {"message": "Your organization has violated our usage policies."}}'),
        status(500, '{"error": {"message": "no", "code": "user_banned"}}'),
        status(200, DEACTIVATED),
    ],
)
def test_after_three_refusals_of_whoever_asks_nothing_more_is_sent(server, step):
    chat = endpoint(server)
    assert chat(["a", "b"]) == ["You said: a", "You said: b"]
    server.always = step
    replies = chat([str(k) for k in range(20)])
    assert all(isinstance(reply, Unanswered) and reply.banned for reply in replies)
    assert all(reply.outcome is Outcome.BANNED for reply in replies)
    assert len(server.requests) == 2 + 3
    assert replies[0].reason.startswith("the endpoint shut out whoever asks (status ")
    assert replies[-1].reason == "not sent: the endpoint has shut out whoever asks"
    assert chat.clock.slept == []


def test_requests_in_flight_are_all_that_goes_out_beside_the_confirmations(server):
    chat = endpoint(server, concurrency=4)
    chat(["a"])
    server.always = status(403)
    assert all(reply.banned for reply in chat([str(k) for k in range(40)]))
    assert len(server.requests) <= 1 + 3 + 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your request was flagged as potentially violating our usage policy.", 400),
        ("Your account has exceeded its quota; requests are blocked until the bill is paid.", 400),
        ("the user's prompt is longer than the window of 512", 400),
    ],
)
def test_what_is_about_the_question_or_the_bill_is_no_ban(server, text, code):
    chat = endpoint(server)
    chat(["a"])
    server.script["b"] = [status(code, f'{{"error": {{"message": "{text}"}}}}')]
    refused, answered = chat(["b", "c"])
    assert (refused.banned, refused.outcome, answered) == (False, Outcome.ERROR, "You said: c")


def test_an_answer_in_between_shows_that_nobody_was_shut_out(server):
    chat = endpoint(server)
    chat(["a"])
    for text in ("b", "c", "e", "f"):
        server.script[text] = [status(403)]
    found = chat(["b", "c", "d", "e", "f", "g"])
    assert [isinstance(one, Unanswered) for one in found] == [True, True, False, True, True, False]


def test_the_first_request_of_all_that_is_refused_is_a_mistake_of_the_users(server):
    server.always = status(400, DEACTIVATED)
    with pytest.raises(BadTarget, match=r"refuses requests without a key \(OPENAI_API_KEY\) \(status 400\). Check the"):
        endpoint(server)(["a", "b"])


def test_banned_replies_are_not_cached(server, tmp_path):
    chat = endpoint(server)
    chat.cache = ReplyCache(tmp_path / "replies.db")
    chat(["a"])
    server.script["b"] = [status(403)]
    assert chat(["b"])[0].banned
    assert chat(["b"]) == ["You said: b"]


def test_a_banned_campaign_goes_on_shows_it_everywhere_and_asks_again_later(tmp_path):
    with ScriptedServer() as server:
        whole = campaign(server.url, tmp_path / "whole")
        before_the_ban = [f"Question {k}? Say canary {k % 10}." for k in range(10)]
        for text in [*before_the_ban, *(f"Question {k}?" for k in range(24))]:
            server.script[text] = [answer()]
        server.always = status(403, DEACTIVATED)
        asked = len(server.requests)
        card = campaign(server.url, tmp_path / "run", concurrency=1)
        assert len(server.requests) == asked + 24 + 10 + 3
        bout = card.bouts[1]
        assert bout.outcomes[:10].tolist() == whole.bouts[1].outcomes[:10].tolist()
        assert (bout.outcomes[10:] == BANNED).all()
        assert (bout.rate.decided, bout.rate.banned, bout.rate.errors) == (10, 14, 0)
        assert (card.verdicts()[10:] == BANNED).all()
        assert card.clean.banned == 0
        shown_everywhere(card, tmp_path)

        server.always = None
        asked = len(server.requests)
        again = campaign(server.url, tmp_path / "run")
        assert len(server.requests) == asked + 14
        assert [one.outcomes.tolist() for one in again.bouts] == [one.outcomes.tolist() for one in whole.bouts]
        assert not any(flag.name == "banned" for flag in again.flags)
        assert sum(one.outcome is Outcome.BANNED for one in again.transcripts()) == 0


def shown_everywhere(card, folder):
    assert "+ 14 banned" in str(card)
    assert "14 banned" in comparison_text([card])
    assert "shut out by the target on 14 cases" in comparison_text([card])
    back = Scorecard.from_json(card.to_json())
    assert np.array_equal(back.bouts[1].outcomes, card.bouts[1].outcomes)
    assert back.worst().banned == 14
    assert "14 banned" in write_report([card], folder / "report.html", title="Banned").read_text()
    findings = check_limits(card, Limits(broken=1.0))
    assert not findings[0].passed
    path = write_junit({"run": findings}, folder / "junit.xml")
    assert "banned 14" in ElementTree.parse(path).find(".//failure").text
    notes = [one.note for one in card.transcripts() if one.outcome is Outcome.BANNED]
    assert len(notes) == 14
    assert "deactivated" in notes[0]


def test_cases_banned_untouched_are_asked_again_under_the_attacks_too(tmp_path):
    with ScriptedServer() as server:
        whole = campaign(server.url, tmp_path / "whole")
        for k in range(20):
            server.script[f"Question {k}?"] = [answer()]
        server.always = status(401)
        card = campaign(server.url, tmp_path / "run", concurrency=1)
        assert (card.clean.held, card.clean.decided, card.clean.banned) == (1.0, 20, 4)
        assert card.bouts[1].rate.banned == 24
        server.always = None
        again = campaign(server.url, tmp_path / "run")
        assert [one.outcomes.tolist() for one in again.bouts] == [one.outcomes.tolist() for one in whole.bouts]


def test_no_vital_is_read_of_who_answers_nobody(server):
    chat = endpoint(server)
    chat(["a"])
    server.always = status(403)
    with pytest.raises(
        BadTarget, match=r"plain questions cannot be read of small: .* had no answer, since the endpoint"
    ):
        PlainQuestions().read(chat)
