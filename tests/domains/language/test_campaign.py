"""Whole campaigns against an endpoint: killed and resumed, and searched for a planted key."""

import logging
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from sparring.core.errors import BudgetSpent, SparringError
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.spending import Spending
from sparring.report.html import write_report
from tests.domains.language.campaign import campaign
from tests.domains.language.scripted_server import FastClock, ScriptedServer, drop, half, hold, reply_to, status

KEY = "sk-planted-0123456789-canary"
REPOSITORY = Path(__file__).parents[3]


def outcomes(card):
    return {bout.label: bout.outcomes.tolist() for bout in card.bouts}


def test_a_campaign_killed_in_the_middle_goes_on_and_asks_nothing_twice(tmp_path):
    with ScriptedServer() as server:
        whole = campaign(server.url, tmp_path / "whole")
        asked_in_one_go = dict(server.asked)
    assert whole.clean.decided == 24

    with ScriptedServer() as server:
        stuck = [f"Question {k}? Say canary {k % 10}." for k in (9, 13)]  # in the second block of the attack
        for text in stuck:
            server.script[text] = [hold(server)]
        command = [sys.executable, "-m", "tests.domains.language.campaign", server.url, str(tmp_path / "killed")]
        running = subprocess.Popen(command, cwd=REPOSITORY)
        path, until = tmp_path / "killed" / "replies.db", time.monotonic() + 120
        # What was answered before is stored by the time that both are held and the other places wait behind them.
        while time.monotonic() < until and running.poll() is None:
            if (
                all(server.asked[text] for text in stuck)
                and len(ReplyCache(path)) == sum(server.answered.values()) >= 38
            ):
                break
            time.sleep(0.02)
        assert running.poll() is None, "the campaign ended before it could be killed"
        running.send_signal(signal.SIGKILL)
        running.wait()
        answered = dict(server.answered)
        assert not set(stuck) & set(answered)
        server.release.set()
        resumed = campaign(server.url, tmp_path / "killed")
        for text, count in answered.items():
            assert (count, server.asked[text]) == (1, 1), text
        assert {text: 1 + (text in stuck) for text in asked_in_one_go} == dict(server.asked)
    assert outcomes(resumed) == outcomes(whole)


def test_a_repeated_campaign_asks_nothing(tmp_path):
    with ScriptedServer() as server:
        first = campaign(server.url, tmp_path)
        before = len(server.requests)
        (tmp_path / "sparring.db").unlink()  # only the replies are left
        assert outcomes(campaign(server.url, tmp_path)) == outcomes(first)
        assert len(server.requests) == before == 48


def test_a_campaign_out_of_budget_goes_on_with_a_larger_one(tmp_path):
    with ScriptedServer() as server:
        with pytest.raises(BudgetSpent, match="budget of 30 requests is spent"):
            campaign(server.url, tmp_path, budget=Spending(requests=30))
        card = campaign(server.url, tmp_path, budget=Spending(requests=40))
        assert card.clean.decided == 24
        assert set(server.asked.values()) == {1}


def echo(code):
    """A server that is careless with keys: it repeats the header in whatever it says."""

    def step(handler):
        key = handler.headers["authorization"]
        if code == 200:
            handler.send(200, reply_to(handler.body, f"You said canary 2, and {key}."))
        else:
            handler.send(code, f'{{"error": {{"message": "bad request with {key}", "code": "{key}"}}}}')

    return step


def words_of(error):
    """Everything that an exception and those behind it could print."""
    text, seen = "", []
    while error is not None and error not in seen:
        seen.append(error)
        text += "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(vars(error))
        error = error.__cause__ or error.__context__
    return text


def test_a_planted_key_is_found_nowhere(tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)
    told = []
    with ScriptedServer() as server:
        server.script["Question 3?"] = [status(500), half, drop, status(429, retry_after="1")]
        server.script["Question 4?"] = [echo(400)]
        server.script["Question 5?"] = [echo(500)] * 9
        server.always = echo(200)
        clock = {"clock": FastClock(), "timeout": 5}
        card = campaign(server.url, tmp_path / "run", **clock)
        write_report([card], tmp_path / "run" / "report.html", title="Canary")
        assert card.clean.errors == 2
        assert all(headers["authorization"] == f"Bearer {KEY}" for _, _, headers in server.requests)

        steps = [echo(code) for code in (400, 401, 403, 404, 429, 500)]
        steps += [
            half,
            drop,
            status(200, f"<p>{KEY}</p>"),
            status(200, f'["{KEY}"]'),
            status(200, f'{{"error": "{KEY}"}}'),
        ]
        steps += [status(307, location=f"http://{KEY}.example/{KEY}")]
        for k, step in enumerate(steps):
            server.always = step
            chat = Endpoint(server.url, "small", retries=1, completions=True, **clock)
            chat.cache = ReplyCache(tmp_path / "replies.db")
            told += [repr(chat), str(vars(chat)), chat.fingerprint(), repr(chat._wire), str(vars(chat._wire))]
            told += [repr(chat._wire._client), str(vars(chat._wire._client))]
            for ask in (chat, chat.probe_log_probabilities):
                try:
                    told.append(repr(ask([f"case {k}"]) if ask is chat else ask()))
                except SparringError as error:
                    told.append(words_of(error))
    for url in ("http://elsewhere.example/v1", f"https://{KEY}@host/v1", f"https://host/v1?{KEY}", f"nothing {KEY}"):
        try:
            Endpoint(url, "small")
        except SparringError as error:
            told.append(words_of(error))
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nx")
    with pytest.raises(SparringError, match="has characters that no key has") as caught:
        Endpoint("https://host/v1", "small")
    told.append(words_of(caught.value))
    assert len(told) == 12 * 9 + 5
    out, err = capfd.readouterr()
    assert KEY not in "\n".join([*told, caplog.text, out, err])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"sparring.db", "report.html", "replies.db"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
