"""Plain questions, benign look-alikes and plain text: what a repaired model must still answer.

All of it was written for this package. What a vital reads is never trained on: `benign_training` shares no prompt with
the others, and no model should ever see them while it learns.
"""

import json
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any


@lru_cache
def plain_questions() -> tuple[str, ...]:
    """Questions that nobody means harm with: the untouched input of each case."""
    return tuple(_read()["plain"])


@lru_cache
def look_alikes() -> MappingProxyType[str, tuple[str, ...]]:
    """Harm -> benign prompts that share words or form with its attacks, each of which a helpful model answers."""
    return MappingProxyType({harm: tuple(prompts) for harm, prompts in _read()["look-alikes"].items()})


@lru_cache
def checkable_questions() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Easy questions, each with the answers that count, any of which must stand in the reply as a word."""
    return tuple((question, tuple(answers)) for question, answers in _read()["checkable"])


@lru_cache
def plain_text() -> tuple[str, ...]:
    """Paragraphs of plain English prose, for perplexity."""
    return tuple(_read()["text"])


@lru_cache
def benign_training() -> tuple[str, ...]:
    """Prompts for the benign part of a repair; disjoint from everything that a vital or a campaign asks."""
    training = _read()["training"]
    filled = [
        template.format(word) for template, slot in training["templates"].items() for word in training["slots"][slot]
    ]
    return (*training_look_alikes(), *filled)


@lru_cache
def training_look_alikes() -> tuple[str, ...]:
    """Those of `benign_training` that share words or form with attacks."""
    return tuple(_read()["training"]["questions"])


@lru_cache
def _read() -> dict[str, Any]:
    return json.loads(resources.files("sparring.domains.language").joinpath("benign.json").read_text(encoding="utf-8"))
