"""Panels: how a target shows a person what broke it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One picture or text of an exhibit.

    Args:
        caption: such as `attacked: 7 (91 %)`.
        text: shown folded, as text.
        png: base64 of a PNG picture.
    """

    caption: str
    text: str = ""
    png: str = ""
