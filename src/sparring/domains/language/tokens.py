"""Tokens: prompts with their continuations as padded ids, and how likely a model finds each continued token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from sparring.core.errors import InvalidCases
from sparring.domains.language.target import OpenChat

_HEAD_ROWS = 2048  # positions whose scores over the whole vocabulary are in memory at once
_PAIR_ROWS = 512  # the same where two models' scores stand side by side


@dataclass(frozen=True)
class Tokens:
    """Rows of token ids, padded on the right; sliceable.

    Args:
        ids: int64, shape (batch, token).
        mask: bool, shape (batch, token): tokens of the continuation, which is what a loss looks at.
        attention: bool, shape (batch, token): tokens that are no padding.
    """

    ids: Tensor
    mask: Tensor
    attention: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Tensor | slice) -> "Tokens":
        """Some rows, as short as the longest of them."""
        attention = self.attention[index]
        width = int(attention.sum(1).max()) if len(attention) else 0
        return Tokens(self.ids[index][:, :width], self.mask[index][:, :width], attention[:, :width])

    @property
    def lengths(self) -> Tensor:
        """Int64, shape (batch,)."""
        return self.attention.sum(1)

    def to(self, device: torch.device) -> "Tokens":
        return Tokens(self.ids.to(device), self.mask.to(device), self.attention.to(device))


def encode(
    chat: OpenChat,
    prompts: Sequence[str],
    continuations: Sequence[str],
    *,
    end: bool = True,
    limit: int | None = None,
) -> Tokens:
    """Each prompt followed by its continuation, tokenised apart, so that the border is where generation sees it.

    Args:
        prompts: whole texts, such as `chat.prompt_of(...)` gives; nothing is added to them.
        end: the end-of-text token follows each continuation.
        limit: tokens of a row, the model's window by default; what is too long loses the start of its prompt, and then
            the end of its continuation.

    Raises:
        InvalidCases: for a continuation without tokens.
    """
    tokenizer = chat.tokenizer
    window = limit or int(getattr(chat.model.config, "max_position_embeddings", 0) or 1 << 20)
    closing = [int(tokenizer.eos_token_id)] if end and tokenizer.eos_token_id is not None else []
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    prefix = [begin] if tokenizer.bos_token_id is not None and tokenizer.encode("a")[:1] == [begin] else []
    rows, starts = [], []
    for prompt, continuation in zip(prompts, continuations, strict=True):
        before = tokenizer.encode(prompt, add_special_tokens=False) if prompt else []
        after = (tokenizer.encode(continuation, add_special_tokens=False) + closing)[: window - 1]
        if not after:
            raise InvalidCases(f"a continuation without tokens cannot be learned; got {continuation!r}.")
        if before[: len(prefix)] != prefix:
            before = prefix + before
        if not before:  # a model needs something to predict the first token from
            before = [after[0] if begin is None else begin]
        before = before[max(0, len(before) + len(after) - window) :]
        rows.append(before + after)
        starts.append(len(before))
    width = max(map(len, rows), default=0)
    ids = torch.zeros(len(rows), width, dtype=torch.int64)
    for k, row in enumerate(rows):
        ids[k, : len(row)] = torch.tensor(row)
    place = torch.arange(width)[None, :]
    attention = place < torch.tensor([len(row) for row in rows], dtype=torch.int64)[:, None]
    return Tokens(ids, attention & (place >= torch.tensor(starts, dtype=torch.int64)[:, None]), attention)


def token_scores(model: PreTrainedModel, tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Scores over the vocabulary where a continued token is predicted, and that token.

    The head, the dearest layer of a small model, sees these positions alone.

    Returns:
        Float32, shape (position, token); int64, shape (position,); positions in the order of `tokens.mask.nonzero()`.
    """
    hidden, labels = _hidden(model, tokens)
    return _head(model, hidden), labels


def token_log_probs(model: PreTrainedModel, tokens: Tokens) -> Tensor:
    """Log-probability of each continued token, float32, shape (batch, token), with a graph; 0 outside the mask."""
    tokens = tokens.to(model.device)
    hidden, labels = _hidden(model, tokens)
    parts = [
        _label_log_probs(model, rows, own)
        for rows, own in zip(hidden.split(_HEAD_ROWS), labels.split(_HEAD_ROWS), strict=True)
    ]
    out = torch.zeros(tokens.ids.shape, dtype=torch.float32, device=model.device)
    return out.masked_scatter(tokens.mask, torch.cat(parts))


def token_divergence(model: PreTrainedModel, reference: PreTrainedModel, tokens: Tokens) -> Tensor:
    """KL divergence from the reference's next-token distribution to the model's, where a continued token is predicted.

    Returns:
        In nats, float32, shape (batch, token), with a graph through `model` alone; 0 outside the mask.
    """
    tokens = tokens.to(model.device)
    hidden, _ = _hidden(model, tokens)
    with torch.no_grad():
        before, _ = _hidden(reference, tokens)

    def work(rows: Tensor, own: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = torch.log_softmax(_head(reference, own), 1)
        told = torch.log_softmax(_head(model, rows), 1)
        return torch.nn.functional.kl_div(told, wanted, reduction="none", log_target=True).sum(1)

    parts = [
        checkpoint(work, rows, own, use_reentrant=False) if torch.is_grad_enabled() else work(rows, own)
        for rows, own in zip(hidden.split(_PAIR_ROWS), before.split(_PAIR_ROWS), strict=True)
    ]
    out = torch.zeros(tokens.ids.shape, dtype=torch.float32, device=model.device)
    return out.masked_scatter(tokens.mask, torch.cat(parts))


def by_length(lengths: Tensor, index: Tensor, budget: int) -> Iterator[Tensor]:
    """Parts of `index`, sorted by length, each of at most `budget` padded tokens (and at least one row)."""
    order = index[torch.argsort(lengths[index], stable=True)]
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or int(lengths[order[stop]]) * (stop + 1 - start) > budget:
            yield order[start:stop]
            start = stop


def _hidden(model: PreTrainedModel, tokens: Tokens) -> tuple[Tensor, Tensor]:
    tokens = tokens.to(model.device)
    states = model.base_model(
        input_ids=tokens.ids, attention_mask=tokens.attention.long(), use_cache=False
    ).last_hidden_state
    predicted = tokens.mask[:, 1:]
    return states[:, :-1][predicted], tokens.ids[:, 1:][predicted]


def _head(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    layer: Any = model.get_output_embeddings()
    scores = layer(hidden).float()
    scores = scores / getattr(model.config, "logits_scaling", 1.0)
    cap = getattr(model.config, "final_logit_softcapping", None)
    return scores if cap is None else cap * torch.tanh(scores / cap)


def _label_log_probs(model: PreTrainedModel, hidden: Tensor, labels: Tensor) -> Tensor:
    def work(rows: Tensor) -> Tensor:
        scores = _head(model, rows)
        return scores.gather(1, labels[:, None])[:, 0] - torch.logsumexp(scores, 1)

    if not torch.is_grad_enabled() or len(hidden) < _HEAD_ROWS:
        return work(hidden)
    return checkpoint(work, hidden, use_reentrant=False)  # type: ignore[return-value]
