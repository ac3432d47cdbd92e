"""Plain questions, benign look-alikes and plain text: what a repaired model must still answer."""

import json
from functools import lru_cache
from importlib import resources


@lru_cache
def plain_questions() -> tuple[str, ...]:
    """Questions that nobody means harm with, written for this package."""
    return tuple(_read()["plain"])


def _read() -> dict[str, list[str]]:
    return json.loads(resources.files(__package__).joinpath("benign.json").read_text(encoding="utf-8"))
