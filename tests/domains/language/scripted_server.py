"""A scripted endpoint on loopback that misbehaves as told, and counts what it was asked."""

import contextlib
import json
import socket
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sparring.domains.language.retry import Clock


class ScriptedServer:
    """Answers `You said: ...`, unless `script[text]` has a step left for the user's last text.

    A step is a function of the handler; `answer`, `status`, `half`, `drop` and `hold` make some. `asked` counts the
    requests for each text, `answered` the replies that were written to the end.
    """

    def __init__(self):
        self.script = defaultdict(list)
        self.asked, self.answered, self.requests = Counter(), Counter(), []
        self.always = None
        self.release = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                messages = self.body.get("messages") or [{"content": self.body.get("prompt", "")}]
                self.text = messages[-1]["content"]
                with outer._lock:
                    outer.asked[self.text] += 1
                    outer.requests.append((self.path, self.body, dict(self.headers)))
                    steps = outer.script[self.text]
                    step = steps.pop(0) if steps else outer.always or answer()
                step(self)

            def send(self, status, text, headers=(), kind="application/json"):
                data = text.encode()
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": len(data), **dict(headers)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data)
                with outer._lock:
                    outer.answered[self.text] += 1

            def log_message(self, *words):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # clients are killed here on purpose

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def reply_to(body, text=None, **more):
    """The JSON of a reply."""
    if "prompt" in body:
        choice = {"index": 0, "text": f"{body['prompt']} and on" if text is None else text, "finish_reason": "stop"}
    else:
        said = f"You said: {body['messages'][-1]['content']}" if text is None else text
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop", **more}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})


def answer(text=None, **more):
    return lambda handler: handler.send(200, reply_to(handler.body, text, **more))


def status(code, text='{"error": {"message": "no"}}', kind="application/json", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(code, text, named, kind)


def half(handler):
    """JSON that ends in the middle, of the length that was announced."""
    handler.send(200, reply_to(handler.body)[:40])


def drop(handler):
    """The connection ends before the announced length."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": ')
    handler.wfile.flush()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


def hold(server):
    """Answers only when the server is released."""

    def step(handler):
        server.release.wait(60)
        handler.send(200, reply_to(handler.body))

    return step


class FastClock(Clock):
    """Time that passes only while somebody sleeps; remembers for how long."""

    def __init__(self, start=1_000_000.0):
        self.time, self.slept, self._lock = start, [], threading.Lock()

    def now(self):
        return self.time

    def sleep(self, seconds, stop):
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds
