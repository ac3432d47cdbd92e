"""The server: on this machine alone, and one sentence where it cannot start."""

import socket

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi", reason='the pages need FastAPI: pip install "sparring[ui]"')

from sparring.cli import app
from sparring.core.errors import InvalidSpec
from sparring.ui import serve as server


def test_only_this_machine_reaches_it():
    with server.listening(0) as door:
        assert door.getsockname()[0] == "127.0.0.1"
        assert server.hosts(door.getsockname()[1]) == tuple(
            f"{name}:{door.getsockname()[1]}" for name in ("127.0.0.1", "localhost")
        )


def test_a_taken_port_is_one_sentence():
    with server.listening(0) as door:
        port = door.getsockname()[1]
        with pytest.raises(InvalidSpec, match=f"port {port} cannot be used .* --port 0"):
            server.listening(port)
    with pytest.raises(InvalidSpec, match="port 70000 cannot be used"):
        server.listening(70000)


def test_the_address_is_told_once_with_a_token_of_this_launch(tmp_path, monkeypatch):
    heard = []

    def run(self, sockets):
        assert isinstance(sockets[0], socket.socket)

    monkeypatch.setattr("uvicorn.Server.run", run)
    for _ in range(2):
        server.serve(tmp_path, told=heard.append)
    assert len(heard) == 2 and len({one.partition("token=")[2] for one in heard}) == 2
    assert all(one.startswith("http://127.0.0.1:") and len(one.partition("token=")[2]) >= 32 for one in heard)


def test_the_verb_refuses_what_it_cannot_attack(tmp_path):
    for words, sentence in (
        (["--target", "smollm2", "--recipe", "smollm2"], "not both"),
        (["--recipe", "digits"], "digits is no red-team recipe"),
        (["--target", "smollm2", "--harm", "dsk"], "no harm is called 'dsk'"),
    ):
        result = CliRunner().invoke(app, ["ui", str(tmp_path), *words])
        assert result.exit_code == 2 and sentence in result.output
