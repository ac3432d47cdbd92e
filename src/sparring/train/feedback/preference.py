"""Preference: the safe reply before the harmful one, by direct preference optimisation."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import by_length, encode, token_log_probs
from sparring.domains.language.tune import Objective
from sparring.train.feedback.material import Failures, FromFailures

_TOKENS = 4096  # padded tokens in one forward of the reference


@dataclass(frozen=True, kw_only=True)
class Preference(FromFailures):
    """DPO on pairs of the safe and the harmful reply to each failure.

    Paper: Rafailov et al., 2023, arXiv:2305.18290, equation 7; the added likelihood of the chosen reply is that of Pang
    et al., 2024, arXiv:2404.19733, equation 1.
    Differs: the safe replies are written and not drawn from the model, so that without the added likelihood both
    replies would lose; half of the items are benign replies of the target's own; LoRA.
    Cost: a reply per item, and six forwards for a pair and four for a benign item.

    Args:
        beta: strength of the pull towards the target as it was.
        likelihood: weight of the safe reply's mean negative log-likelihood.

    Raises:
        InvalidSpec: if `beta` is not positive or `likelihood` is negative.
    """

    beta: float = 0.1
    likelihood: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0 or self.likelihood < 0:
            raise InvalidSpec(
                f"{self.name} needs a positive beta and a likelihood of 0 or more; got {self.beta} and {self.likelihood}."
            )

    def objective(self, chat: OpenChat, failures: Failures) -> Objective:
        return Preferred(chat, failures, self.beta, self.likelihood)


class Preferred(Objective):
    """-log sigmoid(beta * (gain of the safe reply - gain of the harmful reply)), gains over the reference in log p.

    Args:
        chat: the reference; it is asked for its log-probabilities once.
        failures: prompts with both replies.
    """

    def __init__(self, chat: OpenChat, failures: Failures, beta: float, likelihood: float = 0.0) -> None:
        self.beta, self.likelihood = beta, likelihood
        self.size = len(failures.prompts)
        self.tokens = encode(chat, failures.prompts * 2, failures.safe + failures.harmful)
        lengths = self.tokens.lengths
        self.lengths = lengths[: self.size] + lengths[self.size :]
        self.reference = torch.zeros(len(self.tokens))
        with torch.no_grad():
            for part in by_length(lengths, torch.arange(len(self.tokens)), _TOKENS):
                self.reference[part] = token_log_probs(chat.model, self.tokens[part]).sum(1).cpu()
        self._asked = digest([failures.prompts, failures.safe, failures.harmful, beta, likelihood])

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        both = torch.cat([index, index + self.size])
        part = self.tokens[both]
        told = token_log_probs(model, part).sum(1)
        safe, harmful = (told - self.reference[both].to(told.device)).chunk(2)
        loss = preference(safe, harmful, self.beta).sum()
        wins = (safe > harmful).sum().detach().float()
        counts = part.mask.sum(1).to(told.device)[: len(index)]
        return {"loss": loss - self.likelihood * (told[: len(index)] / counts).sum(), "preferred": wins}

    def asked(self) -> Any:
        return self._asked


def preference(safe: Tensor, harmful: Tensor, beta: float) -> Tensor:
    """The loss of each pair, from both gains in log-probability over the reference, shape (batch,)."""
    return -functional.logsigmoid(beta * (safe - harmful))
