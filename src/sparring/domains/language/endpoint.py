"""An OpenAI-compatible endpoint as a chat target: asked several at once, patiently, and within a budget."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from sparring.core.errors import BadTarget, BudgetSpent, Incompatible, InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.cache import ask_once, key_of
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.in_flight import Stopped, as_they_come
from sparring.domains.language.retry import Clock, Retries
from sparring.domains.language.spending import Purse, Spending
from sparring.domains.language.target import Chat, Sampling, Unanswered, in_order, seed_of
from sparring.domains.language.wire import FILTERED, Answer, Barred, Refused, Trouble, Wire

Reply = str | Unanswered

_SURE = 3  # refusals in a row of whoever asks, after which nothing more is sent


class Endpoint(Chat):
    """Asks `base_url` for chat completions, and nobody else for anything.

    A request that fails with 429, 5xx, a timeout, a dropped connection or half JSON is repeated (see `Retries`); after
    the last try that one question is unanswered and the run goes on. What no repeating would mend (no server from the
    start, no reply to any of the first batch, a refused key, an unknown model, another dialect, a redirect) stops it
    with one sentence. An endpoint that has answered and then shuts out whoever asks (401, 403, or an error about the
    account) has banned the attacker: such questions are unanswered as banned, and after three in a row the rest is not
    sent. A reply that the endpoint's own content filter withheld counts as the target's refusal, an empty
    one decides nothing.

    Few endpoints draw the same reply twice even with a seed: set `cache`, so that nothing is asked twice.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        model: its name there.
        key_from: the environment variable that holds the key, which is sent to `base_url` alone and shown nowhere; ""
            for none. On this machine a key may be missing.
        sampling: how replies are drawn; of several stop texts the endpoint is told four, the rest is cut here.
        system: put before every conversation.
        seed: of all draws; each request carries its own, of 31 bits.
        concurrency: requests at once.
        timeout: seconds to connect, and between two pieces of a reply.
        retries: tries after the first, or Retries with other waits.
        budget: the most that this object may spend.
        completions: whether it offers /completions as well, so that it can be a red language model.
        rename: fields of the request under other names; "" leaves one out, for servers that refuse what they do not
            know: `{"max_tokens": "max_completion_tokens", "seed": ""}`.
        name: for tables; the model's by default.
        clock: the time.

    Raises:
        InvalidSpec: for settings that mean nothing, and as `Wire`.
        BudgetSpent: when asked after the budget is gone.
        BadTarget: when asked, if the endpoint cannot be used at all.
    """

    replays = False

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key_from: str = "OPENAI_API_KEY",
        sampling: Sampling = Sampling(),
        system: str = "",
        seed: Seed | int = 0,
        concurrency: int = 8,
        timeout: float = 60.0,
        retries: int | Retries = 5,
        budget: Spending = Spending(),
        completions: bool = False,
        rename: Mapping[str, str] | None = None,
        name: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not model or concurrency < 1 or not timeout > 0:
            raise InvalidSpec(
                "an endpoint needs a model's name, a concurrency of 1 or more and a timeout above 0 seconds; got "
                f"{model!r}, {concurrency} and {timeout}."
            )
        self.base_url, self.model, self.key_from = base_url.rstrip("/"), model, key_from
        self.sampling, self.system, self.seed = sampling, system, Seed.of(seed)
        self.concurrency, self.timeout = concurrency, timeout
        self.retries = retries if isinstance(retries, Retries) else Retries(retries)
        self.budget, self.completions, self.rename = budget, completions, dict(rename or {})
        self.name = name or model
        self.clock = clock or Clock()
        self._answered = False
        self._unreached = self._shut_out = 0
        self._pause = 0.0
        self._wire  # noqa: B018  an address or key that is wrong fails here

    def reply(self, asked: Sequence[Conversation]) -> list[Reply]:
        return in_order(self.arriving(asked), len(asked))

    def arriving(self, asked: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        bodies = [self._chat_body(one) for one in asked]
        reasons: list[str] = []
        for k, reply in self._send(bodies, self._wire.chat, self.sampling):
            if isinstance(reply, Unanswered):
                reasons.append(reply.reason)
            yield k, reply
        known = self._answered or (self.cache is not None and self.cache.hits > 0)
        if 1 < len(asked) == len(reasons) and not known:
            raise BadTarget(f"{self.base_url} has answered none of the first {len(asked)} requests: {reasons[0]}.")

    def write(self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]) -> list[Reply]:
        if not self.completions:
            raise Incompatible(
                f"{self.name} was not said to offer /completions, so it cannot continue a text as a red language model "
                "must. Name a red model (--red smollm2), or say completions=True (a node's completions: true) if it does."
            )
        bodies = [
            self._body({"prompt": text}, sampling, seed) for text, seed in zip(texts, seeds, strict=True)
        ]  # fmt: skip
        self.meter.forwards += len(texts)

        def ask(missing: Sequence[int]) -> Iterator[tuple[int, Reply]]:
            return self._send([bodies[k] for k in missing], self._wire.continuation, sampling)

        def keys(requests: Sequence[str]) -> list[bytes]:
            return [key_of(["write", self.base_url, request, list(sampling.stop)]) for request in requests]

        try:
            return ask_once([json.dumps(body, sort_keys=True) for body in bodies], keys, ask, self.cache)
        except BadTarget as error:
            if "no such model or path" in str(error) and not self._answered:
                raise Incompatible(
                    f"{self.base_url} offers no /completions for {self.model}, so it cannot continue a text as a red "
                    "language model must. Use a local model (LocalChat)."
                ) from None
            raise

    def probe_log_probabilities(self) -> None:
        """Asks for one token with its log-probability.

        Raises:
            Incompatible: if none comes back; some servers leave them out without an error.
        """
        body = self._chat_body(Conversation.of("Hello."), Sampling(tokens=1), logprobs=True)
        found: list[bool] = []

        def ask(body: Mapping[str, Any]) -> Answer:
            answer = self._wire.chat(body)
            found.append(answer.scored)
            return answer

        for _, reply in self._send([body], ask, Sampling(tokens=1)):
            if not found or not found[-1]:
                why = f" ({reply.reason})" if isinstance(reply, Unanswered) else ""
                raise Incompatible(
                    f"{self.base_url} returns no log-probabilities for {self.model}{why}. Use a local model (LocalChat) "
                    "where they are needed."
                )

    def fingerprint(self) -> str:
        settings = [self.base_url, self.model, asdict(self.sampling), self.system, self.seed.value, self.rename]
        return hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r}, {self.model!r})"

    @cached_property
    def purse(self) -> Purse:
        """What was spent so far."""
        return Purse(self.budget, self.clock)

    @cached_property
    def _wire(self) -> Wire:
        return Wire(self.base_url, self.key_from, self.timeout, self.concurrency, self.clock.now)

    def _chat_body(self, asked: Conversation, sampling: Sampling | None = None, **more: Any) -> dict[str, Any]:
        full = (asked.under(self.system) if self.system else asked).told_by_users()
        messages = [{"role": message.role, "content": message.text} for message in full.messages]
        return self._body({"messages": messages, **more}, sampling or self.sampling, seed_of(self.seed, asked))

    def _body(self, asked: dict[str, Any], sampling: Sampling, seed: Seed) -> dict[str, Any]:
        fields = {
            "model": self.model,
            **asked,
            "max_tokens": sampling.tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed.value % 2**31,
            **({"stop": list(sampling.stop[:4])} if sampling.stop else {}),
        }
        renamed = {self.rename.get(name, name): value for name, value in fields.items()}
        renamed.pop("", None)
        return renamed

    def _send(
        self, bodies: Sequence[Mapping[str, Any]], ask: Callable[[Mapping[str, Any]], Answer], sampling: Sampling
    ) -> Iterator[tuple[int, Reply]]:
        self.purse.check(len(bodies), sampling.tokens)

        def work(k: int, stop: threading.Event) -> Reply:
            return self._patiently(bodies[k], ask, sampling, stop)

        try:
            yield from as_they_come(work, len(bodies), self.concurrency)
        except BudgetSpent:
            raise self.purse.spent() from None  # with what was in flight counted in

    def _patiently(
        self,
        body: Mapping[str, Any],
        ask: Callable[[Mapping[str, Any]], Answer],
        sampling: Sampling,
        stop: threading.Event,
    ) -> Reply:
        seed = Seed(body.get("seed", 0))
        tried = 0
        while True:
            self._wait_until(self._pause, stop)
            if self._shut_out >= _SURE:
                return Unanswered("not sent: the endpoint has shut out whoever asks", banned=True)
            self.purse.charge(sampling.tokens)
            used = 0
            try:
                answer = ask(body)
                used = answer.tokens if answer.tokens is not None else _guessed(body, answer.text)
            except Refused as refused:
                return str(refused) if str(refused) == FILTERED else Unanswered(str(refused))
            except Barred as barred:
                if not self._answered:
                    raise
                self._shut_out += 1
                return Unanswered(barred.reason, banned=True)
            except Trouble as caught:
                trouble = caught
            else:
                self._answered, self._unreached, self._shut_out = True, 0, 0
                return (
                    _before(answer.text, sampling.stop).strip()
                    if "messages" in body
                    else _before(answer.text, sampling.stop)
                )
            finally:
                self.purse.settle(sampling.tokens, used)
            tried += 1
            wait = self.retries.wait(tried, trouble.wait, seed)
            if wait is None:
                self._give_up_if_down(trouble, tried)
                return Unanswered(f"{trouble.reason}, {tried} times")
            if trouble.wait:
                self._pause = max(self._pause, self.clock.now() + trouble.wait)  # all wait where one was told to
            self._wait_until(self.clock.now() + wait, stop)

    def _wait_until(self, moment: float, stop: threading.Event) -> None:
        left = moment - self.clock.now()
        if left > 0 and not stop.is_set():
            self.clock.sleep(left, stop)
        if stop.is_set():
            raise Stopped

    def _give_up_if_down(self, trouble: Trouble, tried: int) -> None:
        """Raises BadTarget if nobody is there: from the start, or for as many requests in a row as go out at once."""
        if not trouble.down:
            return
        self._unreached += 1
        if self._answered and self._unreached <= self.concurrency:
            return
        told = "can no longer be reached" if self._answered else "cannot be reached"
        raise BadTarget(
            f"{self.base_url} {told}, after {tried} tries. Check that the server runs and that the address is right, then "
            "run the same again to go on."
        )


def _guessed(body: Mapping[str, Any], text: str) -> int:
    """Tokens of a request whose endpoint does not count them: four characters each."""
    return (len(json.dumps(body.get("messages", body.get("prompt")))) + len(text)) // 4 + 1


def _before(text: str, stop: tuple[str, ...]) -> str:
    return text[: min((text.find(one) for one in stop if one in text), default=len(text))]
