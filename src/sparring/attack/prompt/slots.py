"""Slots: the places in a template's text where what the adversary wants is written, plainly or encoded.

A slot is `{ask}`, `{subject}` or `{opening}` of the aim, `{carrier}` (what stood in the place before), or `{shots:16}`
(so many exchanges in which an assistant obeys). Encodings follow a slot's name, the first one applied first:
`{ask:rot13:base64}`. A brace that stands for itself is doubled.
"""

from functools import lru_cache
from string import Formatter
from typing import NamedTuple

from sparring.attack.prompt.shots import MOST, shots
from sparring.core.seed import Seed
from sparring.domains.language.aim import Aim
from sparring.domains.language.encodings import ENCODINGS, encoded

_SLOTS = ("ask", "subject", "opening", "carrier", "shots")
_HALVES = ("first half", "second half")


class Piece(NamedTuple):
    """Plain text, and the slot after it with its encodings; None at the end of a text."""

    text: str
    slot: str | None
    options: tuple[str, ...]


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[Piece, ...]:
    """The text taken apart.

    Raises:
        ValueError: if a brace has no partner.
    """
    found = []
    for plain, slot, options, conversion in Formatter().parse(text):
        name = slot if conversion is None else f"{slot}!{conversion}"
        found.append(Piece(plain, name, tuple(options.split(":")) if options else ()))
    return tuple(found)


@lru_cache(maxsize=4096)
def slots(text: str) -> frozenset[str]:
    """The names of the slots that a text has."""
    return frozenset(piece.slot for piece in pieces(text) if piece.slot is not None)


def filled_in(text: str, aim: Aim, carrier: str, seed: Seed) -> str:
    """The text with the aim in its slots; what is filled in may hold braces.

    Args:
        carrier: what stands in the aim's place before.
        seed: of the shots.
    """
    values = {"ask": aim.ask, "subject": aim.subject, "opening": aim.opening, "carrier": carrier}
    written = []
    for plain, slot, options in pieces(text):
        written.append(plain)
        if slot == "shots":
            written.append(shots(int(options[0]), seed))
        elif slot is not None:
            value = values[slot]
            for name in options:
                value = encoded(value, name)
            written.append(value)
    return "".join(written)


def fault(text: str) -> str:
    """What is wrong with the slots of a text, in words; empty if nothing is."""
    try:
        found = pieces(text)
    except ValueError as error:
        return f"the braces do not match ({error}); double one that stands for itself"
    for piece in found:
        told = _fault(piece)
        if told:
            return told
    if not slots(text) & {"ask", "subject"}:
        return "no slot carries the aim; it needs {ask} or {subject}"
    halves = [half for half in _HALVES if any(half in piece.options for piece in found)]
    return f"it holds the {halves[0]} of something and not the other one" if len(halves) == 1 else ""


def _fault(piece: Piece) -> str:
    if piece.slot is None:
        return ""
    if piece.slot not in _SLOTS:
        return f"there is no slot {{{piece.slot}}}; slots are {', '.join(_SLOTS)}"
    if piece.slot == "shots":
        counts = [int(option) for option in piece.options if option.isdecimal()]
        right = len(piece.options) == len(counts) == 1 and 1 <= counts[0] <= MOST
        return "" if right else f"shots need a number from 1 to {MOST}: {{shots:16}}"
    unknown = [name for name in piece.options if name not in ENCODINGS]
    return f"no encoding is called {', '.join(unknown)}; there is {', '.join(ENCODINGS)}" if unknown else ""
