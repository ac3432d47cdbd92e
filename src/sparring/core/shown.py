"""Shown: the words of others as they may be printed: control characters written out, keys cut."""

import re
import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (direction, tags, zero width), surrogates, line separators
_PLAIN = "\n\t"
_KEYS = re.compile(
    r"\b(?:sk-[\w-]{16,}|gh[opsu]_\w{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|AIza[\w-]{35}"
    r"|hf_[A-Za-z0-9]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def shown(text: str) -> str:
    """The text without keys, and with nothing in it that a terminal would carry out or that a reader would not see."""
    return visible(keyless(text))


def visible(text: str) -> str:
    """Control and format characters as JSON writes them (`\\u001b`), so that JSON stays what it was; line ends stay."""
    return "".join(_written(char) if unicodedata.category(char) in _HIDDEN else char for char in text)


def keyless(text: str) -> str:
    """What looks like a key of a known kind as its first four characters and `[key]`."""
    return _KEYS.sub(lambda found: f"{found[0][:4]}[key]", text)


def _written(char: str) -> str:
    if char in _PLAIN:
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))
