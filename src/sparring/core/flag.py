"""Red flags: reasons to doubt a figure, in plain words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """One reason to doubt a scorecard.

    Args:
        name: of the check, such as `zero-gradient`.
        text: one sentence that a person without the field's training understands.
        figure: what the check measured.
    """

    name: str
    text: str
    figure: float | None = None
