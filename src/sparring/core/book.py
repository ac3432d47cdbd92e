"""The case book on disk: what once broke a target, frozen, to be asked again of every target that follows."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.judge import Outcome
from sparring.core.lock import locked

_TEXTS, _TENSORS, _IDS = "case-book.jsonl", "case-book.safetensors", "case-book.ids.json"
_PART = "~"  # between a case's own id and what tells its breaks apart
_VERDICTS = (Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED)


@dataclass(frozen=True)
class Judged:
    """An attempt that a person judged, with all who said something about it.

    Args:
        case: id of the case it was made on.
        harm: of the case, by which judges are told apart.
        input: what the target was asked, as JSON can hold it: a text, or turns as [role, text].
        reply: what it answered.
        target: who answered.
        judge: name and version of the judge.
        verdict: the judge's.
        person: the person's verdict, which decides.
        by: who that was.
        at: when, in UTC.

    Raises:
        InvalidCases: for a person's verdict that is none.
    """

    case: str
    harm: str
    input: Any
    reply: str
    target: str
    judge: str
    verdict: Outcome
    person: Outcome
    by: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        if self.person not in _VERDICTS:
            raise InvalidCases(f"a person's verdict is one of {', '.join(_VERDICTS)}; got {self.person}.")

    @property
    def id(self) -> str:
        """Of the attempt: the same conversation on the same case has one id, whoever adds it."""
        content = json.dumps(self.input, ensure_ascii=True).encode()
        return _PART.join([self.case, "people", hashlib.blake2b(content, digest_size=6).hexdigest()])


def entry(case_id: str, number: int, attack: str) -> str:
    """The id of a break: which case, in which round, by which attack."""
    return _PART.join([case_id, str(number), attack])


def write_book(folder: Path, pages: Sequence[Cases]) -> None:
    """Writes all pages, whole or not at all: texts as lines of JSON, tensors as safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [i for page in pages for i in page.ids]
    if pages and isinstance(pages[0].inputs, torch.Tensor):
        tensors = torch.cat([page.inputs.detach().cpu() for page in pages]).contiguous()
        save_file({"inputs": tensors}, folder / f"{_TENSORS}.part")
        _replace(folder / _IDS, json.dumps(ids))
        (folder / f"{_TENSORS}.part").replace(folder / _TENSORS)
        return
    asked = [one for page in pages for one in page.inputs]
    _write_lines(folder, [{"id": i, "input": one} for i, one in zip(ids, asked, strict=True)])


def add_judged(folder: Path, one: Judged, *, replace: bool = False) -> Judged:
    """Adds an attempt that a person judged, and returns what then stands in the book under its id.

    What stands there already stays as it is. Processes that add at once lose nothing.

    Args:
        replace: the person's new verdict on the same attempt takes the old one's place.

    Raises:
        InvalidCases: if the book holds tensors, or is damaged.
    """
    if (folder / _TENSORS).is_file():
        raise InvalidCases(f"the case book in {folder} holds tensors; what is said in words needs a book of its own.")
    with locked(folder / _TEXTS):
        lines = _lines(folder)
        place = next((k for k, line in enumerate(lines) if line["id"] == one.id), None)
        if place is not None and not replace:
            return _judged(lines[place]) or one
        line = {"id": one.id, **asdict(one)}
        kept = lines if place is None else [*lines[:place], *lines[place + 1 :]]
        _write_lines(folder, [*kept, line])
    return one


def judged(folder: Path) -> list[Judged]:
    """What people judged, in the order in which it was added; nothing where there is no book."""
    return [one for line in _lines(folder) if (one := _judged(line)) is not None]


def holds_book(folder: Path) -> bool:
    """Whether a case book lies in a folder."""
    return (folder / _TEXTS).is_file() or (folder / _TENSORS).is_file()


def read_book(folder: Path, originals: Cases) -> Cases:
    """The breaks of a case book, each under the id and with the goal of the case that it comes from.

    Where a person judged, the person decides: what was called held, or could not be told, is no break.

    Args:
        originals: the cases that the breaks were looked for on.

    Raises:
        InvalidCases: if a break belongs to a case that is not here, or the book is damaged.
    """
    inputs: Any
    if (folder / _TENSORS).is_file():
        inputs = load_file(folder / _TENSORS)["inputs"]
        ids = json.loads((folder / _IDS).read_text(encoding="utf-8"))
    else:
        lines = [line for line in _lines(folder) if line.get("person", Outcome.BROKEN) == Outcome.BROKEN]
        ids, inputs = [line["id"] for line in lines], [line["input"] for line in lines]
    where = {name: k for k, name in enumerate(originals.ids)}
    owners = [name.split(_PART)[0] for name in ids]
    unknown = [name for name in owners if name not in where]
    if unknown:
        raise InvalidCases(
            f"the case book in {folder} holds {len(unknown)} breaks of cases that are not here, such as {unknown[0]!r}. "
            "Name the data of the run that wrote it."
        )
    own = originals[[where[name] for name in owners]]
    return Cases(own.ids, inputs, own.goals, "case book", own.groups)


def copy_book(place: Path, folder: Path) -> None:
    """The texts of a book as they stand, with all that was said about them, in another folder."""
    _write_lines(folder, _lines(place))


def _judged(line: dict[str, Any]) -> Judged | None:
    """The entry of a line that a person wrote; None for a machine's."""
    if "person" not in line:
        return None
    plain = {key: value for key, value in line.items() if key != "id"}
    try:
        return Judged(**{**plain, "verdict": Outcome(line["verdict"]), "person": Outcome(line["person"])})
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidCases(
            f"the case book's entry {line['id']!r} is damaged ({error!r}). Mend or delete its line."
        ) from error


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / _TEXTS
    if not path.is_file():
        return []
    try:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        return [{**line, "id": line["id"], "input": line["input"]} for line in found]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidCases(
            f"{path} is no case book ({error!r}). Mend or move the file; nothing was changed."
        ) from error


def _write_lines(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / _TEXTS, "".join(json.dumps(line) + "\n" for line in lines))


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
