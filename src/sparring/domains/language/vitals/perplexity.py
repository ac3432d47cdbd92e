"""Perplexity: does the target still write English?"""

from dataclasses import dataclass

import numpy as np

from sparring.core.errors import Incompatible
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.benign import plain_text
from sparring.domains.language.target import Chat, OpenChat
from sparring.domains.language.vitals.reading import chat_of

_DRAWS = 2000


@dataclass(frozen=True)
class Perplexity(Vital):
    """exp of the mean negative log-probability per token of plain English paragraphs, under the target's own weights.

    The text stands bare, outside any chat, and its first token is left out: it follows nothing but a model's own mark of
    a beginning. So a repair that only wraps leaves the figure as it was: it is read of the
    weights inside, and says so; what the wrapper spoils shows in the other vitals. Two tokenizers are not comparable.
    The interval is a bootstrap over paragraphs. Cost: one forward per paragraph.
    """

    @property
    def name(self) -> str:
        return "perplexity"

    def fits(self, target: Target) -> bool:
        return isinstance(target, Chat) and isinstance(target.innermost, OpenChat)

    def read(self, target: Target) -> Reading:
        inside = chat_of(target, self.name).innermost
        if not isinstance(inside, OpenChat):
            raise Incompatible(
                f"perplexity needs a target with its weights at hand (OpenChat); got {type(inside).__name__}. Leave this "
                "vital out for endpoints and functions."
            )
        texts = plain_text()
        found = inside.log_probabilities([""] * len(texts), list(texts))
        losses = np.array([-float(one[1:].double().sum()) for one in found])
        counts = np.array([len(one) - 1 for one in found])
        draws = Seed(0).child("perplexity").numpy().integers(len(texts), size=(_DRAWS, len(texts)))
        drawn = np.exp(losses[draws].sum(1) / counts[draws].sum(1))
        low, high = np.quantile(drawn, [0.025, 0.975])
        whose = "" if inside is target else " under the weights inside the wrapper, which change nothing about it"
        text = f"{len(texts)} paragraphs of plain prose, {counts.sum()} tokens{whose}."
        value = float(np.exp(losses.sum() / counts.sum()))
        return Reading(self.name, value, float(low), float(high), len(texts), "lower", "perplexity", (), text)
