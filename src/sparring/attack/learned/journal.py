"""A journal of what was written and answered, so that a killed attacker goes on and asks nothing twice."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sparring.core.errors import RunMismatch, SparringError

_CHUNK = 128  # texts made between two writes; a kill loses at most these


class Journal:
    """Values by kind and key, in one file of lines that only grows; in memory alone without a folder.

    Args:
        folder: for `asked.json` and `journal.jsonl`.
        asked: everything that decides the values, as plain data.

    Raises:
        RunMismatch: if the folder holds a journal of something else.
    """

    def __init__(self, folder: Path | None, asked: dict[str, Any]) -> None:
        self.folder = folder
        self._values: dict[tuple[str, str], Any] = {}
        if folder is not None:
            self._begin(folder, json.loads(json.dumps(asked)))

    def recall(
        self,
        kind: str,
        keys: Sequence[str],
        make: Callable[[list[int]], Sequence[Any]],
        keeps: Callable[[Any], bool] = lambda value: True,
    ) -> list[Any]:
        """The values of these keys; those that are not here yet are made.

        Args:
            make: positions in `keys` -> their values.
            keeps: which values may be kept; a failed request is tried again after a restart.
        """
        fresh: dict[str, Any] = {}
        first = {key: k for k, key in reversed(list(enumerate(keys)))}
        missing = [k for key, k in sorted(first.items(), key=lambda item: item[1]) if (kind, key) not in self._values]
        for start in range(0, len(missing), _CHUNK):
            rows = missing[start : start + _CHUNK]
            made = dict(zip((keys[k] for k in rows), make(rows), strict=True))
            fresh |= made
            self._keep(kind, {key: value for key, value in made.items() if keeps(value)})
        return [fresh[key] if key in fresh else self._values[kind, key] for key in keys]

    def _keep(self, kind: str, made: dict[str, Any]) -> None:
        self._values |= {(kind, key): value for key, value in made.items()}
        if self.folder is None:
            return
        lines = "".join(json.dumps([kind, key, value]) + "\n" for key, value in made.items())
        try:
            with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def _begin(self, folder: Path, asked: dict[str, Any]) -> None:
        place = folder / "asked.json"
        if not place.is_file():
            write_whole(place, json.dumps(asked))
        stored = json.loads(place.read_text(encoding="utf-8"))
        differing = [key for key in sorted(stored.keys() | asked.keys()) if stored.get(key) != asked.get(key)]
        if differing:
            raise RunMismatch(
                f"{folder} holds the work of an attacker that was asked for another {', '.join(differing)}. Ask for the "
                "same, or choose another workspace."
            )
        path = folder / "journal.jsonl"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        whole, _, torn = text.rpartition("\n")
        if torn:  # of a kill in the middle of a write
            write_whole(path, whole + "\n" if whole else "")
        for line in whole.splitlines():
            kind, key, value = json.loads(line)
            self._values[kind, key] = value


def write_whole(path: Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
        SparringError: if the disk is full or the folder cannot be written.
    """
    partial = path.with_suffix(path.suffix + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> SparringError:
    return SparringError(
        f"cannot write {path}: {error.strerror or error}. Make room or choose another workspace, then start the same "
        "attack again; it goes on from what was written."
    )
