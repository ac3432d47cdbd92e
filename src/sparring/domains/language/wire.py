"""The wire to an OpenAI-compatible endpoint: what is sent, what a reply means, what went wrong; and no key in any of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sparring.core.errors import BadTarget, InvalidSpec, MissingExtra
from sparring.domains.language.keys import keep_out_of_log, key_in, without
from sparring.domains.language.retry import retry_after

FILTERED = "[The endpoint's content filter withheld this reply.]"
_SENT = ("host", "content-type", "content-length", "accept", "accept-encoding", "connection", "user-agent")
_SHOWN = 200  # characters of a server's own words
_SHUT_OUT = re.compile(
    r"\b(?:account|organi[sz]ation|user|key|access|project)\b[^.]{0,60}"
    r"\b(?:deactivated|disabled|suspended|banned|blocked|terminated|revoked|flagged|violat\w+)\b",
    re.IGNORECASE,
)
_BILL = re.compile(r"\b(?:bill\w*|quota|balance|credits?|payment|plan)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A reply and what it cost.

    Args:
        text: of the reply; empty where the endpoint chose none.
        tokens: read and written, as the endpoint counts them; None where it does not say.
        scored: whether log-probabilities came with it.
    """

    text: str
    tokens: int | None
    scored: bool = False


class Trouble(Exception):
    """A try that failed and may be repeated.

    Args:
        wait: seconds that the server asked for.
        down: nothing could be reached at all.
    """

    def __init__(self, reason: str, wait: float | None = None, down: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.down = reason, wait, down


class Barred(BadTarget):
    """Whoever asks is refused as such, whatever it asks: a wrong key, or a ban.

    Args:
        reason: in the terms of one question, for an endpoint that has answered before.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(Exception):
    """A request that this endpoint will not answer, however often it is asked."""


class Wire:
    """One address, asked with the openai SDK; nothing is sent to any other, and nothing but the request and the key.

    The key is read from the environment when a request is sent and put into its header there; neither this object nor
    the SDK's holds it. Proxies and the SDK's own variables are left out of account, redirects are not followed.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        key_from: the environment variable with the key; empty for none.
        timeout: seconds to connect, and between two pieces of a reply.
        connections: at once.

    Raises:
        InvalidSpec: for an address that is none, a key that is missing or would travel in the clear.
        MissingExtra: without the openai SDK.
    """

    def __init__(self, base_url: str, key_from: str, timeout: float, connections: int, now: Any) -> None:
        self.base_url, self.key_from, self.now = base_url.rstrip("/"), key_from, now
        self.host, loopback = _checked(self.base_url)
        key = self._key()
        if not key and key_from and not loopback:
            raise InvalidSpec(
                f"{self.host} needs a key: put it into the environment variable {key_from}, name another one with "
                "key_from=, or say key_from='' if it needs none."
            )
        if key and not loopback and not self.base_url.startswith("https://"):
            raise InvalidSpec(
                f"the key in {key_from} would travel to {self.host} in the clear: use https, or key_from='' if it needs none."
            )
        if not all("!" <= letter <= "~" for letter in key):
            raise InvalidSpec(
                f"the key in {key_from} has characters that no key has; it is not shown here. Set it again."
            )
        keep_out_of_log(key_from)
        self._client = self._connect(timeout, connections)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the endpoint answers, as JSON.

        Raises:
            Trouble: where another try may help.
            Refused: where this request is at fault.
            Barred: where whoever asks is shut out.
            BadTarget: where every request would fail.
        """
        import httpx2
        import openai

        trouble: Exception
        try:
            response = self._client.post(path, body=dict(body), cast_to=httpx2.Response)
            text = response.text
        except openai.APITimeoutError as error:
            down = isinstance(error.__cause__, httpx2.ConnectTimeout)
            trouble = Trouble("the endpoint did not answer in time", down=down)
        except openai.APIConnectionError as error:
            down = isinstance(error.__cause__, httpx2.ConnectError)
            told = "could not be reached" if down else "dropped the connection"
            trouble = Trouble(f"the endpoint {told} ({type(error.__cause__).__name__})", down=down)
        except openai.APIStatusError as error:
            trouble = self._status(error.status_code, error.response.headers, error.response.text)
        except (openai.OpenAIError, httpx2.HTTPError, UnicodeError) as error:
            trouble = Trouble(f"the endpoint's answer could not be read ({type(error).__name__})")
        else:
            try:
                return self._parsed(text)
            except (Trouble, BadTarget) as error:
                trouble = error
        # Raised here, so that no exception of the SDK, which may hold headers, becomes its context.
        raise trouble

    def redacted(self, text: str) -> str:
        """The text without the key."""
        return without(text, self._key())

    def _parsed(self, text: str) -> Any:
        data = _loaded(text)
        if data is None and text.lstrip()[:1] not in ("{", ""):
            raise BadTarget(self._dialect(f"text that is no JSON ({self._quoted(text, 60)})"))
        if data is None:
            raise Trouble("the endpoint's JSON broke off in the middle")
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            if _bans(text):
                raise self._barred(200, text)
            raise Trouble(f"the endpoint answered with an error: {self._quoted(_message(text))}")
        return data

    def chat(self, body: Mapping[str, Any]) -> Answer:
        """Asks for a chat completion.

        A reply that the endpoint's own filter withheld is the target's refusal, since no user would have seen more: its
        text is FILTERED, or what came before the filter.
        """
        data = self.post("/chat/completions", body)
        if _listed(data) and not data["choices"]:
            return Answer("", _tokens(data))
        try:
            choice = data["choices"][0]
            message = choice["message"]
            text = message.get("content") or message.get("refusal") or ""
            if not isinstance(text, str):
                raise TypeError
        except (TypeError, KeyError, AttributeError, IndexError):
            raise BadTarget(self._dialect("JSON without choices[0].message.content")) from None
        if choice.get("finish_reason") == "content_filter":
            text = text or FILTERED
        return Answer(self.redacted(text), _tokens(data), bool(choice.get("logprobs")))

    def continuation(self, body: Mapping[str, Any]) -> Answer:
        """Asks for a plain completion."""
        data = self.post("/completions", body)
        try:
            text = data["choices"][0]["text"] or "" if data["choices"] else ""
            if not isinstance(text, str):
                raise TypeError
        except (TypeError, KeyError, IndexError):
            raise BadTarget(self._dialect("JSON without choices[0].text")) from None
        return Answer(self.redacted(text), _tokens(data))

    def _status(self, status: int, headers: Mapping[str, str], text: str) -> Exception:
        if 300 <= status < 400:
            host = urlsplit(headers.get("location", "")).netloc or "another path"
            return BadTarget(
                f"{self.base_url} redirects to {self._quoted(host)}, which was not followed. If you trust it, name it as base_url."
            )
        if status in (401, 403) or _bans(text):
            return self._barred(status, text)
        if status in (404, 405):
            return BadTarget(
                f"{self.base_url} knows no such model or path (status {status}: {self._quoted(_message(text))}). Check the "
                "model's name, and that the address ends as its documentation says, usually in /v1."
            )
        if status in (408, 409, 425, 429) or status >= 500:
            return Trouble(f"the endpoint answered with status {status}", retry_after(headers, self.now()))
        if _code(text) == "content_filter":
            return Refused(FILTERED)
        return Refused(f"the endpoint refused the request (status {status}: {self._quoted(_message(text))})")

    def _barred(self, status: int, text: str) -> Barred:
        what = (
            f"the key in {self.key_from}" if self._key() else f"requests without a key ({self.key_from or 'none set'})"
        )
        message = f"{self.base_url} refuses {what} (status {status}). Check the key and what it may use."
        return Barred(message, f"the endpoint shut out whoever asks (status {status}: {self._quoted(_message(text))})")

    def _dialect(self, what: str) -> str:
        return (
            f"{self.base_url} does not speak the OpenAI dialect: it answered {what}. Check that the address ends as its "
            "documentation says, usually in /v1."
        )

    def _quoted(self, text: str, most: int = _SHOWN) -> str:
        line = " ".join(self.redacted(text).split())
        return repr(line if len(line) <= most else line[: most - 3] + "...")

    def _key(self) -> str:
        return key_in(self.key_from)

    def _connect(self, timeout: float, connections: int) -> Any:
        try:
            import httpx2
            import openai
        except ImportError:
            raise MissingExtra('endpoints need the openai SDK: pip install "sparring[lm]"') from None

        def only_what_is_asked(request: Any) -> None:
            for name in set(request.headers) - set(_SENT):
                del request.headers[name]
            request.headers["user-agent"] = "sparring"
            if key := self._key():
                request.headers["authorization"] = f"Bearer {key}"

        client = httpx2.Client(
            timeout=timeout,
            verify=self.base_url.startswith("https://"),  # without TLS there is no certificate to load
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            event_hooks={"request": [only_what_is_asked]},
        )
        return openai.OpenAI(
            api_key="none", admin_api_key="", organization="", project="", webhook_secret="", base_url=self.base_url,
            timeout=timeout, max_retries=0, http_client=client,
        )  # fmt: skip


def _checked(base_url: str) -> tuple[str, bool]:
    """The host, and whether it is this machine."""
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        parts, host, port = None, "", None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise InvalidSpec(
            "base_url must look like http://localhost:8000/v1 or https://host/v1; what came is no such address."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidSpec(
            f"base_url must not carry a name, a password or a query (at {host}), which would be recorded with it. Keys come "
            "from the environment: key_from="
        )
    loopback = host in ("localhost", "::1") or host.startswith("127.")
    return (host if port is None else f"{host}:{port}"), loopback


def _listed(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("choices"), list)


def _tokens(data: Any) -> int | None:
    usage = data.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) else None


def _loaded(text: str) -> Any:
    """JSON, or None: the parser's own error holds the whole text, so it goes no further than here."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _error(text: str) -> Any:
    data = _loaded(text)
    return data.get("error", data.get("detail", data.get("message"))) if isinstance(data, dict) else None


def _message(text: str) -> str:
    """The server's own words about an error."""
    found = _error(text)
    if isinstance(found, dict):
        found = found.get("message")
    return str(found) if found else text


def _bans(text: str) -> bool:
    """Whether an error is about who asks and not about what is asked; an unpaid bill is no ban."""
    told = f"{_message(text)[:2000]} {_code(text)}".replace("_", " ")
    return _error(text) is not None and bool(_SHUT_OUT.search(told)) and not _BILL.search(told)


def _code(text: str) -> str:
    found = _error(text)
    return str(found.get("code")) if isinstance(found, dict) else ""
