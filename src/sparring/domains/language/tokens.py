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
_SHARED = 16  # tokens at least that it pays to read once for all rows
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
    rows, starts = [], []
    for prompt, continuation in zip(prompts, continuations, strict=True):
        before = prompt_tokens(chat, prompt)
        after = (tokenizer.encode(continuation, add_special_tokens=False) + closing)[: window - 1]
        if not after:
            raise InvalidCases(f"a continuation without tokens cannot be learned; got {continuation!r}.")
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


def prompt_tokens(chat: OpenChat, text: str) -> list[int]:
    """Of a whole prompt: with the token that begins a text, where the tokenizer puts one."""
    tokenizer = chat.tokenizer
    tokens = list(tokenizer.encode(text, add_special_tokens=False)) if text else []
    begin = tokenizer.bos_token_id
    begins = begin is not None and tokenizer.encode("a")[:1] == [begin]
    return [begin, *tokens] if begins and tokens[:1] != [begin] else tokens  # type: ignore[list-item]


def token_scores(model: PreTrainedModel, tokens: Tokens, *, shares: bool = True) -> tuple[Tensor, Tensor]:
    """Scores over the vocabulary where a continued token is predicted, and that token.

    The head, the dearest layer of a small model, sees these positions alone.

    Returns:
        Float32, shape (position, token); int64, shape (position,); positions in the order of `tokens.mask.nonzero()`.
    """
    hidden, labels = token_states(model, tokens, shares=shares)
    return _head(model, hidden), labels


def token_log_probs(model: PreTrainedModel, tokens: Tokens, *, shares: bool = True) -> Tensor:
    """Log-probability of each continued token, float32, shape (batch, token), with a graph; 0 outside the mask."""
    tokens = tokens.to(model.device)
    hidden, labels = token_states(model, tokens, shares=shares)
    parts = [
        _label_log_probs(model, rows, own)
        for rows, own in zip(hidden.split(_HEAD_ROWS), labels.split(_HEAD_ROWS), strict=True)
    ]
    out = torch.zeros(tokens.ids.shape, dtype=torch.float32, device=model.device)
    return out.masked_scatter(tokens.mask, torch.cat(parts))


def token_divergence(
    model: PreTrainedModel, reference: PreTrainedModel, tokens: Tokens, before: Tensor | None = None
) -> Tensor:
    """KL divergence from the reference's next-token distribution to the model's, where a continued token is predicted.

    Args:
        before: the reference's `token_states` of these tokens; None to compute them.

    Returns:
        In nats, float32, shape (batch, token), with a graph through `model` alone; 0 outside the mask.
    """
    tokens = tokens.to(model.device)
    hidden, _ = token_states(model, tokens)
    if before is None:
        with torch.no_grad():
            before, _ = token_states(reference, tokens)

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


def token_states(model: PreTrainedModel, tokens: Tokens, *, shares: bool = True) -> tuple[Tensor, Tensor]:
    """What the head reads where a continued token is predicted, and that token.

    Args:
        shares: what all rows begin with is read once; False where something inside the model differs from row to row.

    Returns:
        In the model's number type, shape (position, feature), with a graph; int64, shape (position,); positions in the
        order of `tokens.mask.nonzero()`.
    """
    tokens = tokens.to(model.device)
    shared = _shared(tokens) if shares else 0
    if shared >= _SHARED and _plain_memory(model):
        states = _states_after(model, tokens, shared)
    else:
        shared, states = 0, model.base_model(
            input_ids=tokens.ids, attention_mask=tokens.attention.long(), use_cache=False
        ).last_hidden_state  # fmt: skip
    predicted = tokens.mask[:, shared + 1 :]
    return states[:, :-1][predicted], tokens.ids[:, 1:][tokens.mask[:, 1:]]


def by_length(lengths: Tensor, index: Tensor, budget: int) -> Iterator[Tensor]:
    """Parts of `index`, sorted by length, each of at most `budget` padded tokens (and at least one row)."""
    order = index[torch.argsort(lengths[index], stable=True)]
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or int(lengths[order[stop]]) * (stop + 1 - start) > budget:
            yield order[start:stop]
            start = stop


def _states_after(model: PreTrainedModel, tokens: Tokens, shared: int) -> Tensor:
    """Last hidden states behind what all rows begin with, which is read once; shape (batch, token, feature)."""
    from transformers import DynamicCache

    memory = DynamicCache(config=model.config)
    model.base_model(input_ids=tokens.ids[:1, :shared], past_key_values=memory, use_cache=True)
    memory.batch_repeat_interleave(len(tokens))
    return model.base_model(
        input_ids=tokens.ids[:, shared:], attention_mask=tokens.attention.long(), past_key_values=memory, use_cache=True
    ).last_hidden_state


def _shared(tokens: Tokens) -> int:
    """How many tokens all rows begin with, before the first that a loss looks at is predicted."""
    if len(tokens) < 2:
        return 0
    alike = (tokens.ids == tokens.ids[:1]).all(0) & tokens.attention.all(0) & ~tokens.mask.any(0)
    return max(0, int(alike.long().cumprod(0).sum()) - 1)


def _plain_memory(model: PreTrainedModel) -> bool:
    """Whether every layer remembers all that was read, so that a shared beginning can be read ahead."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    return all(type(layer) is DynamicLayer for layer in layers)


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
