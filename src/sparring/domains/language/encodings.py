"""Encodings: ways to write a text so that a filter misses it and a model may still read it, each with its inverse."""

import base64
import codecs
import html
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sparring.core.errors import InvalidSpec

_LEET = str.maketrans("aeiostAEIOST", "431057431057")
# Cyrillic capitals A, Ve, Es, Ie, En, I, Ka, Em, O, Er, Dze, Te, Ha, and small letters that look like a, c, e, h, i ...
_ALIKE = (
    "ABCEHIKMOPSTXacehijopsxy",
    "\u0410\u0412\u0421\u0415\u041d\u0406\u041a\u041c\u041e\u0420\u0405\u0422\u0425"
    "\u0430\u0441\u0435\u04bb\u0456\u0458\u043e\u0440\u0455\u0445\u0443",
)
_VISIBLE, _WIDTHLESS = "\u200b", ("\u200b", "\u200c")
_TAGS = 0xE0000
_WHITE = '<span style="color:#ffffff;background-color:#ffffff;font-size:1px">'
_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789.,?'!/()&:;=+-_\"$@"
_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. ----- "
    ".---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. .----. -.-.-- -..-. -.--. -.--.- .-... "
    "---... -.-.-. -...- .-.-. -....- ..--.- .-..-. ...-..- .--.-."
)
_MORSE = MappingProxyType(dict(zip(_SIGNS, _CODES.split(), strict=True)))


class Encoding(NamedTuple):
    """One way to write a text, and the way back, which is exact; None where something is lost."""

    encode: Callable[[str], str]
    decode: Callable[[str], str] | None = None


def encoded(text: str, name: str) -> str:
    """The text in an encoding of that name.

    Raises:
        InvalidSpec: if nothing is called so.
    """
    if name not in ENCODINGS:
        raise InvalidSpec(f"no encoding is called {name!r}; there is {', '.join(ENCODINGS)}.")
    return ENCODINGS[name].encode(text)


def look_alikes(text: str) -> str:
    """Cyrillic letters for the Latin ones that they look like."""
    return text.translate(str.maketrans(*_ALIKE))


def zero_width_bits(text: str) -> str:
    """The bits of the text's UTF-8, highest first: a zero-width space for 0, a zero-width non-joiner for 1."""
    return "".join(_WIDTHLESS[int(bit)] for byte in text.encode() for bit in f"{byte:08b}")


def read_zero_width_bits(text: str) -> str:
    """What is hidden in a text, whatever visible characters stand around it."""
    bits = "".join(str(_WIDTHLESS.index(char)) for char in text if char in _WIDTHLESS)
    return bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)).decode()


def tag_characters(text: str) -> str:
    """Each printable ASCII character as the invisible tag character of the same number above U+E0000; others stay."""
    return "".join(chr(_TAGS + ord(char)) if " " <= char <= "~" else char for char in text)


def first_half(text: str) -> str:
    """The first half of the characters, the longer one if their number is odd."""
    return text[: (len(text) + 1) // 2]


def second_half(text: str) -> str:
    """What `first_half` leaves."""
    return text[(len(text) + 1) // 2 :]


def variables(text: str) -> str:
    """Both halves as assignments, a = "..." and b = "...", on a line each."""
    halves = (json.dumps(half, ensure_ascii=False) for half in (first_half(text), second_half(text)))
    return "a = {}\nb = {}".format(*halves)


def pig_latin(text: str) -> str:
    """The consonants that a word begins with go to its end, before `ay`; `way` follows a word that begins with a vowel."""
    return re.sub(r"[A-Za-z]+", lambda word: _pig(word[0]), text)


def morse(text: str) -> str:
    """International Morse code, letters apart by a space, words by a slash; what has no code is left out."""
    words = (" ".join(_MORSE[char] for char in word if char in _MORSE) for word in text.casefold().split())
    return " / ".join(word for word in words if word)


def _read_tags(text: str) -> str:
    return "".join(chr(ord(char) - _TAGS) if _TAGS + 32 <= ord(char) <= _TAGS + 126 else char for char in text)


def _pig(word: str) -> str:
    start = re.match(r"[^aeiouAEIOU]*", word)
    cut = start.end() if start else 0
    return f"{word}way" if cut == 0 else f"{word[cut:]}{word[:cut]}ay"


def _read_variables(text: str) -> str:
    return "".join(json.loads(line.partition(" = ")[2]) for line in text.split("\n"))


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


ENCODINGS: Mapping[str, Encoding] = MappingProxyType(
    {
        "base64": Encoding(
            lambda text: base64.b64encode(text.encode()).decode(), lambda text: base64.b64decode(text).decode()
        ),
        "rot13": Encoding(_rot13, _rot13),
        "hex": Encoding(lambda text: text.encode().hex(), lambda text: bytes.fromhex(text).decode()),
        "leetspeak": Encoding(lambda text: text.translate(_LEET)),
        "look-alikes": Encoding(look_alikes, lambda text: text.translate(str.maketrans(*reversed(_ALIKE)))),
        "zero-width": Encoding(_VISIBLE.join, lambda text: text.replace(_VISIBLE, "")),
        "zero-width bits": Encoding(zero_width_bits, read_zero_width_bits),
        "tag characters": Encoding(tag_characters, _read_tags),
        "reversed": Encoding(lambda text: text[::-1], lambda text: text[::-1]),
        "spaced": Encoding(" ".join, lambda text: text[::2]),
        "html comment": Encoding(
            lambda text: f"<!-- {text.replace('--', '-&#45;')} -->", lambda text: text[5:-4].replace("-&#45;", "--")
        ),
        "html hidden": Encoding(
            lambda text: f"{_WHITE}{html.escape(text)}</span>",
            lambda text: html.unescape(text.removeprefix(_WHITE).removesuffix("</span>")),
        ),
        "json string": Encoding(lambda text: json.dumps(text, ensure_ascii=False), json.loads),
        "first half": Encoding(first_half),
        "second half": Encoding(second_half),
        "variables": Encoding(variables, _read_variables),
        "pig latin": Encoding(pig_latin),
        "morse": Encoding(morse),
    }
)
