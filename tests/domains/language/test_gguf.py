"""GGUF files become safetensors once."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language import gguf
from sparring.domains.language.gguf import converted


def test_a_conversion_happens_once_and_a_killed_one_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF and more")
    made = []

    def killed(source, folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    def convert(source, folder):
        made.append(source)
        (folder / "model.safetensors").write_text("weights")

    monkeypatch.setattr(gguf, "_convert", killed)
    with pytest.raises(KeyboardInterrupt):
        converted(file)
    monkeypatch.setattr(gguf, "_convert", convert)
    folder = converted(file)
    assert [found.name for found in folder.iterdir()] == ["model.safetensors"]
    assert converted(file) == folder and len(made) == 1


def test_a_file_that_transformers_cannot_read_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(InvalidSpec, match="cannot read"):
        converted(file)
