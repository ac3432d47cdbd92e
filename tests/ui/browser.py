"""Headless Chromium, driven over its debugging pipe: keys go in, the page's state comes out."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from sparring.ui.app import make_app
from sparring.ui.serve import hosts, listening

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
_WAIT = 60.0  # seconds for any answer of the browser; the machine may be busy
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowDown": (40, ""), "ArrowUp": (38, "")}
TOKEN = "launch-token-of-a-test"


class Browser:
    """One page of a browser of its own."""

    def __init__(self, folder: Path) -> None:
        asked, self._out = os.pipe()
        self._in, answers = os.pipe()
        # Chromium reads 3 and writes 4; the ends are moved out of the way of these numbers first.
        theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (asked, answers)]
        wired = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", wired, "bash", str(CHROMIUM), *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        for one in (asked, answers, *theirs):
            os.close(one)
        self._number, self._rest, self._session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        watch = (
            "window.violations = []; document.addEventListener('securitypolicyviolation', "
            "one => violations.push(one.violatedDirective + ' ' + one.blockedURI))"
        )
        self.call("Page.addScriptToEvaluateOnNewDocument", source=watch)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and what came of it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def see(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']['text']}")
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits for an expression to hold, over navigations."""
        waiting = (
            f"new Promise(done => {{ const end = Date.now() + {1000 * _WAIT}; const look = () => ({expression}) ? done(true)"
            " : Date.now() > end ? done(false) : setTimeout(look, 20); look(); })"
        )
        for _ in range(20):
            try:
                assert self.see(waiting), (
                    f"never came true: {expression}; the page is {self.see('document.body.innerText')}"
                )
                return
            except RuntimeError as error:  # a navigation ended the page that was looked at
                lost = error
        raise lost

    def press(self, key: str) -> None:
        code, text = _KEYS[key]
        known = {"key": key, "windowsVirtualKeyCode": code, "code": "Space" if key == " " else key}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def tab_to(self, selector: str) -> None:
        """Presses Tab until the focus is on what matches."""
        for _ in range(40):
            self.press("Tab")
            if self.see(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(
            f"no number of tabs leads to {selector}; the focus is on {self.see('document.activeElement.outerHTML')}"
        )

    def resize(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.see("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], _WAIT)
            part = os.read(self._in, 1 << 16) if ready else b""
            assert part, "the browser says nothing"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


@contextlib.contextmanager
def served(workspace: Path) -> Iterator[str]:
    """The pages of a workspace, and their address without the token."""
    with listening(0) as door:
        port = door.getsockname()[1]
        app = make_app(workspace, token=TOKEN, hosts=hosts(port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
