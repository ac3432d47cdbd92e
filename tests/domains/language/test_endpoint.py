"""Endpoints, against a server that misbehaves as told; no test sleeps."""

import json
import socket
import time
from email.utils import formatdate

import pytest

from sparring.core.errors import BadTarget, BudgetSpent, Incompatible, InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.spending import Spending
from sparring.domains.language.target import Sampling, Unanswered
from sparring.domains.language.wire import FILTERED
from tests.domains.language.scripted_server import FastClock, ScriptedServer, answer, drop, half, hold, reply_to, status


@pytest.fixture
def server():
    with ScriptedServer() as running:
        yield running


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def endpoint(server, **settings):
    return Endpoint(server.url, "small", **{"clock": FastClock(), "timeout": 5, **settings})


def test_asks_for_a_chat_completion_with_everything_that_decides_the_reply(server):
    chat = endpoint(server, sampling=Sampling(7, 0.9, 0.5, ("END",)), system="Be brief.", seed=3)
    assert chat([Conversation.of("a").then("b", "c")]) == ["You said: c"]
    path, body, _ = server.requests[0]
    assert path == "/v1/chat/completions"
    seed = body.pop("seed")
    assert 0 <= seed < 2**31
    assert body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


def test_another_draw_or_seed_sends_another_seed_and_no_draw(server):
    one = Conversation.of("a")
    endpoint(server)([one, one.draw(1)])
    endpoint(server, seed=1)([one])
    seeds = {body["seed"] for _, body, _ in server.requests}
    roles = {message["role"] for _, body, _ in server.requests for message in body["messages"]}
    assert len(seeds) == 3
    assert roles == {"user"}


def test_fields_can_be_renamed_or_left_out(server):
    endpoint(server, rename={"max_tokens": "max_completion_tokens", "seed": ""})(["a"])
    assert set(server.requests[0][1]) == {"model", "messages", "max_completion_tokens", "temperature", "top_p"}


def test_replies_stand_with_their_requests_in_whatever_order_they_come(server):
    server.script["first"] = [hold(server)]

    def last(handler):
        handler.send(200, reply_to(handler.body))
        server.release.set()

    server.script["last"] = [last]
    names = ["first", *map(str, range(10)), "last"]
    assert endpoint(server, concurrency=4)(names) == [f"You said: {name}" for name in names]


def test_never_has_more_requests_in_flight_than_allowed(server):
    chat = endpoint(server, concurrency=3)
    flying, most = set(), []

    def step(handler):
        flying.add(handler.text)
        most.append(len(flying))
        time.sleep(0.005)
        flying.discard(handler.text)
        handler.send(200, reply_to(handler.body))

    server.always = step
    chat([str(k) for k in range(24)])
    assert 2 <= max(most) <= 3


@pytest.mark.parametrize(
    "step", [status(429), status(500), status(503, "<html>busy</html>"), half, drop, status(200, "")]
)
def test_what_may_pass_is_asked_again(server, step):
    server.script["a"] = [step, step]
    chat = endpoint(server)
    assert chat(["a", "b"]) == ["You said: a", "You said: b"]
    assert server.asked == {"a": 3, "b": 1}
    first, second = chat.clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


def test_a_timeout_is_asked_again(server):
    server.script["a"] = [hold(server)]
    assert endpoint(server, timeout=0.1)(["a"]) == ["You said: a"]
    assert server.asked["a"] == 2


@pytest.mark.parametrize("header", ["40", formatdate(1_000_040, usegmt=True)])
def test_waits_as_long_as_the_server_says(server, header):
    server.script["a"] = [status(429, retry_after=header)]
    chat = endpoint(server, concurrency=1)
    assert chat(["a"]) == ["You said: a"]
    assert sum(chat.clock.slept) == pytest.approx(40)


def test_after_the_last_try_that_one_is_unanswered_and_the_rest_goes_on(server, tmp_path):
    server.script["a"] = [status(500)] * 4
    chat = endpoint(server, retries=2)
    chat.cache = ReplyCache(tmp_path / "replies.db")
    assert chat(["a", "b"]) == [Unanswered("the endpoint answered with status 500, 3 times"), "You said: b"]
    assert chat(["a", "b"])[0] == "You said: a"  # a failure is not stored
    assert server.asked == {"a": 5, "b": 1}


def test_a_request_at_fault_is_not_repeated(server):
    server.script["a"] = [status(400, '{"error": {"message": "longer than the window of 512"}}')]
    replies = endpoint(server)(["a", "b"])
    assert replies[0].reason == "the endpoint refused the request (status 400: 'longer than the window of 512')"
    assert replies[1] == "You said: b"
    assert server.asked["a"] == 1


def test_an_empty_choice_is_an_empty_reply(server):
    server.script["a"] = [answer("")]
    server.script["b"] = [status(200, '{"choices": []}')]
    server.script["c"] = [status(200, '{"choices": [{"message": {"content": null}}]}')]
    assert endpoint(server)(["a", "b", "c"]) == ["", "", ""]


def test_what_the_endpoint_filters_or_refuses_is_the_targets_refusal(server):
    server.script["a"] = [answer("", finish_reason="content_filter")]
    server.script["b"] = [answer("half a sen", finish_reason="content_filter")]
    server.script["c"] = [status(400, '{"error": {"code": "content_filter", "message": "no"}}')]
    server.script["d"] = [status(200, '{"choices": [{"message": {"content": null, "refusal": "I cannot."}}]}')]
    assert endpoint(server)(["a", "b", "c", "d"]) == [FILTERED, "half a sen", FILTERED, "I cannot."]


def test_stop_texts_that_a_server_forgets_are_cut_here(server):
    server.script["a"] = [answer("one two five six")]
    chat = endpoint(server, sampling=Sampling(stop=("x1", "x2", "x3", "x4", " five")))
    assert chat(["a"]) == ["one two"]
    assert server.requests[0][1]["stop"] == ["x1", "x2", "x3", "x4"]


def nobody():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_a_server_that_is_not_there_is_one_sentence():
    url = nobody()
    with pytest.raises(BadTarget, match=f"{url} cannot be reached, after 3 tries. Check that the server runs"):
        Endpoint(url, "small", retries=2, clock=FastClock())(["a", "b", "c"])


def test_a_server_that_goes_away_stops_the_run_after_as_many_requests_as_go_out_at_once():
    with ScriptedServer() as server:
        chat = endpoint(server, concurrency=2, retries=1)
        server.always = status(500)
        chat(["never"])
        server.always = None
        assert chat(["a"]) == ["You said: a"]
        chat.base_url = nobody()
        chat.__dict__.pop("_wire")
    with pytest.raises(BadTarget, match="can no longer be reached, after 2 tries"):
        chat([str(k) for k in range(9)])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (status(401), r"refuses requests without a key \(OPENAI_API_KEY\) \(status 401\). Check the key"),
        (status(403), r"\(status 403\). Check the key and what it may use"),
        (
            status(404, '{"error": {"message": "no model small"}}'),
            r"no such model or path \(status 404: 'no model small'\)",
        ),
        (status(200, "<html><body>Welcome</body></html>", "text/html"), "dialect: it answered text that is no JSON"),
        (status(200, '{"response": "hello"}'), r"dialect: it answered JSON without choices\[0\]\.message\.content"),
        (status(200, "[1, 2]"), "JSON without choices"),
        (status(200, '{"choices": [{"text": "hello"}]}'), "JSON without choices"),
        (status(200, '{"choices": [{"message": {"content": 7}}]}'), "JSON without choices"),
    ],
)
def test_what_no_repeating_would_mend_is_one_sentence(server, step, message):
    server.always = step
    chat = endpoint(server, concurrency=2)
    with pytest.raises(BadTarget, match=message) as caught:
        chat([str(k) for k in range(20)])
    assert "\n" not in str(caught.value)
    assert sum(server.asked.values()) <= 4
    assert chat.clock.slept == []


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            status(400, '{"error": {"message": "unknown field: seed"}}'),
            r"refused the request \(status 400: 'unknown field: seed'\)",
        ),
        (status(503), "the endpoint answered with status 503, 2 times"),
    ],
)
def test_an_endpoint_that_answers_none_of_the_first_requests_stops_the_run(server, step, message, tmp_path):
    server.always = step
    with pytest.raises(BadTarget, match=f"has answered none of the first 3 requests: .*{message}"):
        endpoint(server, retries=1)(["a", "b", "c"])
    server.always = None
    chat = endpoint(server, retries=1)
    chat.cache = ReplyCache(tmp_path / "replies.db")
    chat(["d"])
    server.always = step
    again = endpoint(server, retries=1)
    again.cache = ReplyCache(tmp_path / "replies.db")
    assert [isinstance(reply, Unanswered) for reply in again(["a", "d", "b"])] == [True, False, True]


def test_redirects_are_not_followed(server):
    with ScriptedServer() as other:
        server.always = status(307, location=f"{other.url}/chat/completions")
        with pytest.raises(BadTarget, match=r"redirects to '127.0.0.1:[0-9]+', which was not followed"):
            endpoint(server)(["a"])
        server.always = status(308, location="/v1/elsewhere")
        with pytest.raises(BadTarget, match="redirects to 'another path', which was not followed"):
            endpoint(server)(["a"])
        assert not other.requests
    assert {path for path, _, _ in server.requests} == {"/v1/chat/completions"}


def test_nothing_goes_to_a_proxy_and_nothing_of_this_machine_is_told(server, monkeypatch):
    with ScriptedServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "not-to-be-sent")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-own: not-to-be-sent")
        monkeypatch.setenv("OPENAI_BASE_URL", proxy.url)
        assert endpoint(server)(["a"]) == ["You said: a"]
        assert not proxy.requests
    headers = {name.lower(): value for name, value in server.requests[0][2].items()}
    assert set(headers) <= {
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "connection",
        "user-agent",
    }
    assert headers["user-agent"] == "sparring"
    assert "not-to-be-sent" not in json.dumps(headers)


def test_a_budget_that_runs_out_stops_and_a_larger_one_goes_on_from_the_cache(server, tmp_path):
    names = [str(k) for k in range(20)]
    small = endpoint(server, budget=Spending(requests=25), concurrency=4)
    small.cache = ReplyCache(tmp_path / "replies.db")
    small(names[:8])
    with pytest.raises(
        BudgetSpent, match=r"budget of 25 requests is spent: it took 25 requests, 375 tokens and 0 seconds"
    ):
        small([f"again {name}" for name in names])
    assert len(small.cache) == 25
    larger = endpoint(server, budget=Spending(requests=3))
    larger.cache = ReplyCache(tmp_path / "replies.db")
    assert larger([f"again {name}" for name in names]) == [f"You said: again {name}" for name in names]
    assert set(server.asked.values()) == {1}


def test_a_budget_of_tokens_or_seconds_runs_out_too(server):
    chat = endpoint(server, budget=Spending(tokens=150), sampling=Sampling(tokens=10), concurrency=1)
    with pytest.raises(BudgetSpent, match="budget of 150 tokens is spent: it took 10 requests, 150 tokens"):
        chat([str(k) for k in range(10)]) and chat(["one more"])
    chat = endpoint(server, budget=Spending(seconds=30), concurrency=1)
    server.script["slow"] = [status(429, retry_after="31")]
    with pytest.raises(BudgetSpent, match="budget of 30 seconds is spent: it took 1 requests, 0 tokens and 31 seconds"):
        chat(["slow"])


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Spending(requests=2), "a budget of 2 requests does not cover one batch of 3, which may take 3 requests"),
        (Spending(tokens=100), "a budget of 100 tokens does not cover one batch of 3, which may take 168 tokens"),
    ],
)
def test_a_budget_too_small_for_one_batch_is_refused_before_the_first_request(server, budget, message):
    with pytest.raises(BudgetSpent, match=message):
        endpoint(server, budget=budget)(["a", "b", "c"])
    assert not server.requests


def test_continues_texts_where_completions_are_offered(server, tmp_path):
    chat = endpoint(server, completions=True)
    chat.cache = ReplyCache(tmp_path / "replies.db")
    sampling, seeds = Sampling(tokens=9, top_p=0.95), [Seed(1), Seed(2)]
    assert chat.write(["1.", "1."], sampling, seeds) == ["1. and on", "1. and on"]
    assert chat.write(["1.", "1."], sampling, seeds) == ["1. and on", "1. and on"]
    bodies = [body for path, body, _ in server.requests if path == "/v1/completions"]
    assert len(bodies) == 2
    assert sorted(body["seed"] for body in bodies) == [1, 2]
    assert bodies[0]["max_tokens"] == 9


def test_a_text_cannot_be_continued_without_completions(server):
    with pytest.raises(Incompatible, match="was not said to offer /completions"):
        endpoint(server).write(["1."], Sampling(), [Seed(0)])
    server.always = status(404)
    with pytest.raises(Incompatible, match="offers no /completions for small"):
        endpoint(server, completions=True).write(["1."], Sampling(), [Seed(0)])


def test_log_probabilities_that_are_null_are_refused(server):
    with pytest.raises(Incompatible, match="returns no log-probabilities for small"):
        endpoint(server).probe_log_probabilities()
    assert server.requests[0][1]["logprobs"] is True
    server.always = answer("Hi", logprobs={"content": [{"token": "Hi", "logprob": -0.1}]})
    endpoint(server).probe_log_probabilities()


@pytest.mark.parametrize(
    ("url", "settings", "message"),
    [
        ("localhost:8000", {}, "base_url must look like http://localhost:8000/v1"),
        ("ftp://host/v1", {}, "base_url must look like"),
        ("http://host:port/v1", {}, "base_url must look like"),
        ("https://me:word@host/v1", {}, "must not carry a name, a password or a query"),
        ("https://host/v1?key=word", {}, "must not carry a name, a password or a query"),
        ("https://host/v1", {}, "host needs a key: put it into the environment variable OPENAI_API_KEY"),
        ("http://localhost/v1", {"model": ""}, "needs a model's name"),
        ("http://localhost/v1", {"concurrency": 0}, "a concurrency of 1 or more"),
        ("http://localhost/v1", {"timeout": 0}, "a timeout above 0 seconds"),
    ],
)
def test_bad_settings_are_one_sentence(url, settings, message):
    with pytest.raises(InvalidSpec, match=message) as caught:
        Endpoint(url, **{"model": "small", **settings})
    assert "word" not in str(caught.value).replace("password", "")


def test_fingerprints_tell_apart_what_decides_a_reply(server):
    made = [{}, {"system": "x"}, {"seed": 1}, {"sampling": Sampling(tokens=5)}, {"rename": {"seed": ""}}]
    assert len({endpoint(server, **settings).fingerprint() for settings in made}) == 5
    assert endpoint(server, concurrency=1, key_from="OTHER").fingerprint() == endpoint(server).fingerprint()
