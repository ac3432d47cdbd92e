"""The door: who may see the pages at all, and what a browser may do with them."""

import hashlib
import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; connect-src 'self'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would send its own forms without an Origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
COOKIE = "sparring-token"
_SAFE = ("GET", "HEAD")


class Guard:
    """Lets a request in that comes to this machine's own name, from these pages, with the token of this launch.

    The first address carries the token; it is swapped for a cookie at once, so that it stays in no history.

    Args:
        app: what is guarded.
        token: of this launch.
        hosts: `name:port` under which the pages are reached; any other name in a request is somebody's DNS trick.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Sequence[str]) -> None:
        self.app, self.token, self.hosts = app, token, tuple(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # nothing here speaks over a websocket, or has to be started and stopped
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        answer = self._refusal(scope) or self.app
        await answer(scope, receive, sealed)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered in the pages' place; None lets the request in."""
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self.hosts:
            return _told(421, f"These pages answer at http://{self.hosts[0]} and under no other name.")
        if scope["method"] not in _SAFE and headers.get("origin") not in (None, *(f"http://{h}" for h in self.hosts)):
            return _told(403, "This form was sent from another page; nothing was done. Use the forms of these pages.")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["method"] in _SAFE and self._known(query.get("token", "")):
            swapped = RedirectResponse(scope["path"], 303)
            swapped.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return swapped
        if not self._known(_cookie(headers.get("cookie", ""))):
            return _told(403, "Open the address that sparring ui printed: it holds the token of this launch.")
        return None

    def _known(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode(), self.token.encode())


def form_token(token: str) -> str:
    """What every form carries beside the cookie, so that no other page can send one."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _told(status: int, sentence: str) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>sparring</title><p>{sentence}</p></html>', status
    )
