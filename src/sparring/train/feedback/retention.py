"""Retention: what a repaired model says to benign questions stays distributed as it was, token by token."""

from collections.abc import Sequence

from torch import Tensor

from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import encode, token_divergence
from sparring.domains.language.tune import Objective


class Retained(Objective):
    """Mean KL divergence, over the tokens of benign texts, from the target as it was to the model that learns.

    Its gradient is zero at the start and it pulls towards the whole distribution; the likelihood of sampled replies
    would pull towards the samples, and so make the model more peaked than it was.

    Args:
        chat: the target as it was.
        prompts, texts: equally many; the prompt of a bare text is empty.
    """

    def __init__(self, chat: OpenChat, prompts: Sequence[str], texts: Sequence[str]) -> None:
        self.reference = chat.model
        self.tokens = encode(chat, prompts, texts)
        self.size, self.lengths = len(self.tokens), self.tokens.lengths
        self._asked = digest([list(prompts), list(texts)])

    def loss(self, model: object, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        part = self.tokens[index]
        told = token_divergence(model, self.reference, part)  # type: ignore[arg-type]
        return {"loss": (told.sum(1) / part.mask.to(told.device).sum(1)).sum()}

    def asked(self) -> object:
        return ["kl", self._asked]
