"""Remembered: retention of benign replies, for which the target as it was is run once and not at every step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sparring.core.seed import Seed
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import by_length, token_divergence, token_states
from sparring.train.feedback.retention import Retained

_TOKENS = 4096  # padded tokens in one forward of the reference


class Remembered(Retained):
    """Mean KL divergence as in `Retained`; what the reference's head reads is kept, one row per token of a reply.

    Args:
        chat: the target as it was.
        prompts, texts: equally many.
    """

    def __init__(self, chat: OpenChat, prompts: Sequence[str], texts: Sequence[str]) -> None:
        super().__init__(chat, prompts, texts)
        self.states: list[Tensor] = [torch.zeros(0)] * self.size
        with torch.no_grad():
            for index in by_length(self.tokens.lengths, torch.arange(self.size), _TOKENS):
                part = self.tokens[index]
                rows = token_states(chat.model, part)[0].cpu().split(part.mask.sum(1).tolist())
                for item, own in zip(index.tolist(), rows, strict=True):
                    self.states[item] = own

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        part = self.tokens[index]
        before = torch.cat([self.states[item] for item in index.tolist()]).to(model.device)
        told = token_divergence(model, self.reference, part, before)
        return {"loss": (told.sum(1) / part.mask.to(told.device).sum(1)).sum()}
