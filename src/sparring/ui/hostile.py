"""Hostile text on a page: markup stays text, what could steer a terminal or a reader's eye is made visible, keys are cut."""

import unicodedata
from itertools import groupby

from markupsafe import Markup, escape

from sparring.core.shown import keyless
from sparring.domains.language.keys import without_keys

_LONGEST = 20_000  # characters of one text on a page
_STEERING = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
# Letters and symbols that show nothing, and the variation selectors, which can carry hidden text.
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}


def visible(text: str) -> Markup:
    """A text for a page: escaped, with every invisible character as `U+202E` in a mark of its own."""
    text = keyless(without_keys(text))
    shown, rest = text[:_LONGEST], len(text) - _LONGEST
    parts = []
    for hidden, run in groupby(shown, _hidden):
        told = "".join(run)
        parts.append(Markup("").join(map(_mark, told)) if hidden else escape(told))
    if rest > 0:
        parts.append(Markup('<span class="mark">{} more characters</span>').format(rest))
    return Markup("").join(parts)


def line(text: str, longest: int = 160) -> Markup:
    """The same on one line, cut to a length."""
    joined = " ".join(keyless(without_keys(text)).split())
    return visible(joined if len(joined) <= longest else joined[: longest - 1] + "…")


def _mark(letter: str) -> Markup:
    return Markup('<span class="mark">U+{}</span>').format(f"{ord(letter):04X}")


def _hidden(letter: str) -> bool:
    if letter in "\n\t":
        return False
    code = ord(letter)
    selector = 0xFE00 <= code <= 0xFE0E or 0xE0100 <= code <= 0xE01EF
    return selector or code in _BLANK or unicodedata.category(letter) in _STEERING
