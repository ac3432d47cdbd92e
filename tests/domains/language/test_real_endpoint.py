"""The real endpoint: `transformers serve` with SmolLM2, where the model is in the cache and the server can start."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sparring.core.errors import Incompatible
from sparring.core.seed import Seed
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.fetch import cache
from sparring.domains.language.target import Sampling

MODELS = sorted(path for path in cache("models").glob("SmolLM2-135M-Instruct.*") if (path / "config.json").is_file())
SECONDS = 120  # until the server must be up


@contextlib.contextmanager
def serving(folder, log):
    """The base address of a server on a free port, which ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with log.open("wb") as output:
        server = subprocess.Popen([*command, "--host", "127.0.0.1"], env=environment, stdout=output, stderr=output)
    try:
        until = time.monotonic() + SECONDS
        while not _healthy(port):
            if server.poll() is not None or time.monotonic() > until:
                pytest.skip(f"transformers serve did not start: {log.read_text(errors='replace')[-300:]}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.mark.skipif(not MODELS, reason="SmolLM2 is not in the cache; `sparring run smollm2` puts it there")
@pytest.mark.skipif(
    importlib.util.find_spec("uvicorn") is None, reason="transformers serve needs transformers[serving]"
)
def test_transformers_serve_answers_continues_and_gives_no_log_probabilities(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(MODELS[-1], tmp_path / "serve.log") as url:
        settings = {"concurrency": 2, "completions": True, "system": "You answer briefly.", "timeout": 120}
        chat = Endpoint(url, str(MODELS[-1]), sampling=Sampling(tokens=16, temperature=0), **settings)
        chat.cache = ReplyCache(tmp_path / "replies.db")
        asked = ["What is the capital of France?", Conversation.of("Hello.").then("Hello!", "What is two plus two?")]
        replies = chat(asked)
        assert all(isinstance(reply, str) and reply for reply in replies)
        spent = chat.purse.requests
        assert (spent, chat(asked)) == (2, replies)
        assert chat.purse.requests == spent
        assert chat.purse.tokens > 16  # it counts tokens, prompts included

        (text,) = chat.write(["List of questions to ask someone:\n1."], Sampling(tokens=8, top_p=0.95), [Seed(0)])
        assert isinstance(text, str)
        assert text
        with pytest.raises(Incompatible, match="returns no log-probabilities"):
            chat.probe_log_probabilities()
