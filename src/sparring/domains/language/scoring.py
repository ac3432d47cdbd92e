"""Log-probabilities of given texts under a language model: batches of nearly equal lengths, no whole vocabulary kept."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_BATCH = 4096  # tokens in one forward, at most
_SCORES = 1024  # positions over the whole vocabulary at once


@torch.no_grad()
def score(model: Any, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[Tensor]:
    """Of each token of each continuation: log-probability, float32, shape (token,).

    Args:
        before: tokens of each prompt, at least one.
        after: tokens of each continuation; none gives an empty tensor.
    """
    device = next(model.parameters()).device
    whole = [[*one, *two] for one, two in zip(before, after, strict=True)]
    found = [torch.empty(0)] * len(whole)
    order = sorted((k for k in range(len(whole)) if after[k]), key=lambda k: (-len(whole[k]), k))
    while order:
        count = max(1, _BATCH // len(whole[order[0]]))
        batch, order = order[:count], order[count:]
        width = len(whole[batch[0]])
        tokens = torch.tensor([[*whole[k], *[0] * (width - len(whole[k]))] for k in batch], device=device)
        # Padding stands on the right, where causal attention never looks; so no mask, and the fast kernels.
        hidden_or_logits = _Outputs(model, tokens)
        places = [(row, at) for row, k in enumerate(batch) for at in range(len(before[k]) - 1, len(whole[k]) - 1)]
        rows, ats = (torch.tensor(list(part), device=device) for part in zip(*places, strict=True))
        values = hidden_or_logits.of(rows, ats, tokens[rows, ats + 1]).cpu()
        for k, part in zip(batch, values.split([len(after[k]) for k in batch]), strict=True):
            found[k] = part
    return found


class _Outputs:
    """What a forward left; scores over the vocabulary are made for the asked positions alone where the model allows."""

    def __init__(self, model: Any, tokens: Tensor) -> None:
        self.head = model.lm_head if type(model).__name__ == "LlamaForCausalLM" else None
        if self.head is not None:
            self.values = model.model(input_ids=tokens, use_cache=False).last_hidden_state
        else:
            self.values = model(input_ids=tokens, use_cache=False).logits

    def of(self, rows: Tensor, ats: Tensor, labels: Tensor) -> Tensor:
        parts = []
        for piece in range(0, len(rows), _SCORES):
            here = slice(piece, piece + _SCORES)
            chosen = self.values[rows[here], ats[here]]
            logits = (chosen if self.head is None else self.head(chosen)).float()
            parts.append(logits.gather(1, labels[here, None])[:, 0] - logits.logsumexp(1))
        return torch.cat(parts)
