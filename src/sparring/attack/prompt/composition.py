"""Compositions: a template, perhaps encoded, perhaps set in another one as its order; what a search goes through."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from sparring.attack.prompt.best_of import admitted
from sparring.attack.prompt.slots import slots
from sparring.attack.prompt.template_table import Row, filled, suits
from sparring.core.seed import Seed
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.encodings import ENCODINGS, encoded
from sparring.domains.language.injection import Injection

_WHOLE = tuple(name for name in ENCODINGS if not name.endswith("half"))


@dataclass(frozen=True)
class Composition:
    """One way to write an attempt.

    Args:
        template: filled in with the aim.
        encoding: of the result; empty for none.
        frame: a template in which this is the order; None for none.
    """

    template: Row
    encoding: str = ""
    frame: Row | None = None

    @property
    def name(self) -> str:
        """What no other composition is called: `role-play/actor, base64, in encoding/base64`."""
        coded = f", {self.encoding}" if self.encoding else ""
        return f"{self.template.key}{coded}{f', in {self.frame.key}' if self.frame else ''}"

    @property
    def parts(self) -> int:
        """How many things it is made of."""
        return 1 + bool(self.encoding) + (self.frame is not None)

    def suits(self, aim: Aim) -> bool:
        """Whether the aim has what its templates need."""
        return suits(self.template, aim) and (self.frame is None or suits(self.frame, aim))

    def attempt(self, threat: Injection, own: Conversation, aim: Aim, seed: Seed) -> Conversation | None:
        """The attempt on one case; None where a template does not suit the aim, or the threat does not admit the text.

        Args:
            own: the case's conversation.
            seed: of the templates' shots.
        """
        if not self.suits(aim):
            return None
        carrier = own.messages[aim.place].text
        text = filled(self.template, aim, carrier, seed)
        text = encoded(text, self.encoding) if self.encoding else text
        if self.frame is not None:
            text = filled(self.frame, dataclasses.replace(aim, ask=text), carrier, seed)
        return admitted(threat, own, aim, text)


@dataclass(frozen=True)
class Space:
    """All compositions of some templates.

    Args:
        templates: at least one.
    """

    templates: tuple[Row, ...]

    def singles(self, seed: Seed) -> list[Composition]:
        """Every template on its own, in a random order in which families take turns, so that any first few hold many."""
        order = seed.numpy().permutation(len(self.templates)).tolist()
        families: dict[str, list[Composition]] = {}
        for k in order:
            families.setdefault(self.templates[k].family, []).append(Composition(self.templates[k]))
        turns = zip_longest(*families.values())
        return [one for turn in turns for one in turn if one is not None]

    @property
    def size(self) -> int:
        return len(self.templates) * (len(_WHOLE) + 1) * (len(self._frames) + 1)

    @cached_property
    def _frames(self) -> list[Row]:
        return [row for row in self.templates if "ask" in slots(row.text)]

    def like(self, row: Row) -> list[Composition]:
        """The templates of its family, and itself in every encoding."""
        family = [Composition(other) for other in self.templates if other.family == row.family]
        return family + [Composition(row, name) for name in _WHOLE]

    def drawn(self, draw: np.random.Generator) -> Composition:
        """Any of them: encoded or not, framed or not, with equal chance."""
        coded, framed = draw.integers(2, size=2)
        return Composition(
            _pick(draw, self.templates),
            _pick(draw, _WHOLE) if coded else "",
            _pick(draw, self._frames) if framed and self._frames else None,
        )

    def changed(self, parent: Composition, draw: np.random.Generator) -> Composition:
        """The composition with another template, encoding or frame, or with one of the last two taken away or added."""
        options: dict[str, Sequence[Any]] = {
            "template": self.templates, "encoding": ("", *_WHOLE), "frame": (None, *self._frames)
        }  # fmt: skip
        part = _pick(draw, list(options))
        others = [one for one in options[part] if one != getattr(parent, part)]
        return dataclasses.replace(parent, **{part: _pick(draw, others)}) if others else parent

    def crossed(self, one: Composition, two: Composition, draw: np.random.Generator) -> Composition:
        """Each part from either parent."""
        sides = [(one, two)[int(side)] for side in draw.integers(2, size=3)]
        return Composition(sides[0].template, sides[1].encoding, sides[2].frame)


def _pick(draw: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(draw.integers(len(options)))]
