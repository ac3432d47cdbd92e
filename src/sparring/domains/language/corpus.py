"""Corpora: texts under names, read one at a time from a folder, a file or any iterable."""

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from sparring.core.errors import InvalidCases, MissingData

_SUFFIXES = (".txt", ".jsonl")


class Document(NamedTuple):
    """One text under a name, such as `letters/3.txt` or `mails.jsonl:17`."""

    name: str
    text: str


def documents(corpus: "str | Path | Iterable[str | Document]") -> Iterator[Document]:
    """The documents of a corpus, in a fixed order; only one is in memory at a time.

    Args:
        corpus: a folder with `.txt` (one document each) and `.jsonl` files (one a line: a string, or an object with
            `text` and maybe `id`), one such file, or an iterable of texts.

    Raises:
        MissingData: if the path does not exist.
        InvalidCases: for a folder without such files, a binary file, or a line that is no document.
    """
    if isinstance(corpus, (str, Path)):
        yield from _files(Path(corpus))
        return
    for k, one in enumerate(corpus):
        if not isinstance(one, (str, Document)):
            raise InvalidCases(f"a corpus holds texts; number {k} is of type {type(one).__name__}.")
        yield one if isinstance(one, Document) else Document(str(k), one)


def famous() -> list[Document]:
    """Speeches, prayers, rhymes and notices in the public domain that any model may know by heart, and the licence."""
    held = resources.files("sparring.domains.language").joinpath("famous.json").read_text(encoding="utf-8")
    return [Document(name, text) for name, text in json.loads(held).items()]


def _files(root: Path) -> Iterator[Document]:
    if not root.exists():
        raise MissingData(f"there is no corpus at {root}: name a folder of .txt and .jsonl files, or one such file.")
    inside = sorted(root.rglob("*")) if root.is_dir() else [root]
    chosen: Sequence[Path] = [path for path in inside if path.is_file() and path.suffix.lower() in _SUFFIXES]
    if not chosen:
        raise InvalidCases(f"{root} holds no .txt or .jsonl file, so there is no corpus to look for.")
    for path in chosen:
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        if path.suffix.lower() == ".jsonl":
            yield from _lines(path, name)
        else:
            yield Document(name, _decoded(path, path.read_bytes()))


def _lines(path: Path, name: str) -> Iterator[Document]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = _decoded(path, raw).strip()
            if not line:
                continue
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise InvalidCases(f"line {number} of {path} is no JSON: {error.msg}.") from error
            text = value.get("text") if isinstance(value, dict) else value
            if not isinstance(text, str):
                raise InvalidCases(f'line {number} of {path} must be a string or an object with a "text".')
            yield Document(str(value["id"]) if isinstance(value, dict) and "id" in value else f"{name}:{number}", text)


def _decoded(path: Path, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidCases(f"{path} is binary, or not UTF-8; a corpus is plain text. Convert it, or leave it out.")
    return text
