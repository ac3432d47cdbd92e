"""The case book on disk: what once broke a target, frozen, to be asked again of every target that follows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases

_TEXTS, _TENSORS, _IDS = "case-book.jsonl", "case-book.safetensors", "case-book.ids.json"
_PART = "~"  # between a case's own id and what tells its breaks apart


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
    lines = [json.dumps({"id": i, "input": one}) + "\n" for i, one in zip(ids, asked, strict=True)]
    _replace(folder / _TEXTS, "".join(lines))


def holds_book(folder: Path) -> bool:
    """Whether a case book lies in a folder."""
    return (folder / _TEXTS).is_file() or (folder / _TENSORS).is_file()


def read_book(folder: Path, originals: Cases) -> Cases:
    """The breaks of a case book, each under the id and with the goal of the case that it comes from.

    Args:
        originals: the cases that the breaks were looked for on.

    Raises:
        InvalidCases: if a break belongs to a case that is not here.
    """
    inputs: Any
    if (folder / _TENSORS).is_file():
        inputs = load_file(folder / _TENSORS)["inputs"]
        ids = json.loads((folder / _IDS).read_text(encoding="utf-8"))
    else:
        lines = [json.loads(line) for line in (folder / _TEXTS).read_text(encoding="utf-8").splitlines()]
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


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
