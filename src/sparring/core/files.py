"""Data files: looked for in the cache, then where the user keeps data, then at the publisher with a checksum."""

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from sparring.core.errors import MissingData


def cache_folder() -> Path:
    """Where downloads and what was made from them are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sparring"


def find_file(folder: str, file: str, url: str | None = None, sha256: str | None = None) -> Path:
    """The first of: the cache, the folders named by SPARRING_DATA, a download from `url` + `file` with this digest.

    Raises:
        MissingData: with everything that was tried.
    """
    cache = cache_folder() / folder
    named = [Path(root) / folder for root in os.environ.get("SPARRING_DATA", "").split(os.pathsep) if root]
    for place in (cache, *named):
        if (place / file).is_file():
            return place / file
    tried = ", ".join(str(place) for place in (cache, *named))
    problem = "there is no download for it" if url is None else _download(url + file, cache / file, sha256)
    if problem is None:
        return cache / file
    raise MissingData(
        f"{file} was found in none of these folders: {tried}; {problem}. "
        f"Put it into {cache}, or name the folder above {folder}/ in SPARRING_DATA."
    )


def _download(url: str, path: Path, sha256: str | None) -> str | None:
    """Fetches a file into the cache; None, or what went wrong."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        return f"downloading {url} failed ({error})"
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        return f"{url} came with digest {found}, not {sha256}"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(path)
    return None
