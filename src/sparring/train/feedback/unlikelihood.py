"""Unlikelihood: make the tokens of harmful replies improbable, and keep benign replies as they are."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import encode, token_scores
from sparring.domains.language.tune import Objective
from sparring.train.feedback.material import Failures, FromFailures

UNLIKELY = -5.0  # log-probability below which a token is left alone


@dataclass(frozen=True, kw_only=True)
class Unlikelihood(FromFailures):
    """Minimises -log(1 - p) of each token of the harmful replies.

    Paper: Welleck et al., 2020, arXiv:1908.04319, section 5; proposed against red-teaming failures by Perez et al., 2022,
    arXiv:2202.03286, section 7.1, and not measured there.
    Differs: log(1 - p) is a difference of two logsumexps, so that its gradient does not vanish where p is near 1; tokens
    with log p below -5 are left out; 7 of 8 items are the target's own replies to benign questions, held where they
    were by the KL divergence from the target as it was; LoRA.
    Cost: a reply per item, three forwards per item, and one more for a benign one.
    """

    share: float = 0.875

    def objective(self, chat: OpenChat, failures: Failures) -> Objective:
        return Unlikely(chat, failures.prompts, failures.harmful)


class Unlikely(Objective):
    """Mean of -log(1 - p) over the tokens of each reply that are not unlikely yet.

    Args:
        chat: whose tokens these are.
        prompts, replies: texts, equally many.
    """

    def __init__(self, chat: OpenChat, prompts: list[str], replies: list[str]) -> None:
        self.tokens = encode(chat, prompts, replies, end=False)
        self.size, self.lengths = len(self.tokens), self.tokens.lengths
        self._asked = digest([prompts, replies])

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        part = self.tokens[index]
        values, counted = unlikelihood(*token_scores(model, part))
        rows = part.mask.nonzero()[:, 0].to(values.device)
        sums = torch.zeros(len(part), device=values.device).index_add(0, rows, values * counted)
        counts = torch.zeros(len(part), device=values.device).index_add(0, rows, counted.float())
        return {"loss": (sums / counts.clamp(min=1)).sum()}

    def asked(self) -> Any:
        return self._asked


def unlikelihood(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """-log(1 - p) of each label, and whether it is likely enough to be counted.

    Args:
        scores: shape (position, token).
        labels: int64, shape (position,).

    Returns:
        Both of shape (position,), the second bool.
    """
    whole = torch.logsumexp(scores, 1)
    rest = torch.logsumexp(scores.scatter(1, labels[:, None], -torch.inf), 1)
    likely = (scores.gather(1, labels[:, None])[:, 0] - whole).detach() >= UNLIKELY
    return whole - rest, likely
