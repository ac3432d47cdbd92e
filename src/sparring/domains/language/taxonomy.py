"""Taxonomies of attacks and risks: what an id of a finding means, in which edition of which scheme."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from sparring.core.errors import InvalidSpec


@dataclass(frozen=True)
class Entry:
    """One entry of a published taxonomy.

    Args:
        scheme: who publishes it, such as `MITRE ATLAS`.
        edition: ids are renumbered between editions, so one without the other says nothing.
        id: as findings carry it.
        title: in our words, short.
    """

    scheme: str
    edition: str
    id: str
    title: str


@lru_cache
def taxonomy() -> MappingProxyType[str, Entry]:
    """Id -> entry, for all that findings of this package may carry."""
    text = resources.files("sparring.domains.language").joinpath("taxonomy.json").read_text(encoding="utf-8")
    return MappingProxyType({row["id"]: Entry(**row) for row in json.loads(text)})


def entry(name: str) -> Entry:
    """The entry behind an id.

    Raises:
        InvalidSpec: for an id that stands in none of the editions here.
    """
    if name not in taxonomy():
        raise InvalidSpec(f"no taxonomy here has the id {name!r}; there are {', '.join(taxonomy())}.")
    return taxonomy()[name]
