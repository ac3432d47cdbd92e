"""Losses of many suffixes of one prompt: what comes before them, and before what is new in them, is read once."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache

from sparring.domains.language.networks import Network
from sparring.domains.language.seats import Seats, Span
from sparring.domains.language.target import OpenChat

# New tokens in one forward, about: where few do, candidates that share more of the suffix go together.
_TOKENS = {"cpu": 320}
_MANY = 8192


class SuffixLoss:
    """Mean cross-entropy per token of a reply's opening, for suffixes of one length in one prompt.

    A candidate costs a forward over what follows the first token that differs from the last suffix whose gradient was
    asked for; keys and values of all before that are kept. Each candidate is metered as one forward all the same, a
    gradient as a forward and an input-backward, the reading of the head as a forward.

    Memory: keys and values of the whole prompt, for as many candidates as go together.

    Args:
        chat: whose loss it is; its meter counts.
        through: the way through its model.
        head: tokens before the suffix, at least one.
        foot: tokens between the suffix and the reply.
        opening: of the reply, at least one token.
        length: tokens of the suffix.
    """

    def __init__(
        self,
        chat: OpenChat,
        through: Network,
        head: Sequence[int],
        foot: Sequence[int],
        opening: Sequence[int],
        length: int,
    ) -> None:
        self.chat, self.through, self.length, self.start = chat, through, length, len(head)
        device = next(chat.model.parameters()).device
        self.opening = torch.tensor(list(opening), device=device)
        self.rest = torch.tensor([*foot, *opening[:-1]], dtype=torch.long, device=device)
        self.width = length + len(self.rest)
        self.batch = max(1, _TOKENS.get(device.type, _MANY) // max(1, self.width * 3 // 4))
        self.seats = Seats(self.batch + 1, self.start + self.width)
        self.current: Tensor | None = None
        layer = chat.model.get_input_embeddings()
        with torch.no_grad():
            tokens = torch.tensor([list(head)], device=device)
            through.last(tokens, self.seats, Span(self.batch, 0, torch.tensor([self.start], device=device), self.start))
            self.seats.spread(0, self.batch, self.start)
            everything = torch.arange(layer.num_embeddings, device=device)  # type: ignore[union-attr]
            self.vectors = layer.weight if type(layer) is nn.Embedding else layer(everything)  # type: ignore[operator]
            self.after = layer(self.rest[None])[0]  # type: ignore[operator]
        model: Any = chat.model
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # through adapters too
        chooses = "logits_to_keep" in inspect.signature(inner.forward).parameters
        self.chosen = {"logits_to_keep": len(self.opening)} if chooses else {}
        chat.meter.forwards += 1

    def gradient(self, suffix: Tensor) -> tuple[float, Tensor]:
        """The loss of one suffix, and its gradient with respect to each token's one-hot vector.

        Args:
            suffix: int64, shape (token,).

        Returns:
            The loss; float32, shape (token, vocabulary): what a loss that were linear would gain by each token.
        """
        vectors = self.vectors[suffix].detach()
        loss, slope, cache = self._soft(vectors)
        ends = torch.tensor([self.start + self.length], device=suffix.device)
        for number, layer in enumerate(cache.layers):
            keys, values = (
                kept.detach()[:, :, self.start : self.start + self.length] for kept in (layer.keys, layer.values)
            )
            self.seats.store(number, keys, values, Span(self.batch, self.start, ends, self.start + self.length))
        self.current = suffix.clone()
        with torch.no_grad():
            return loss, functional.linear(slope, self.vectors).float()

    def soft_gradient(self, vectors: Tensor) -> tuple[float, Tensor]:
        """The loss of vectors that stand in place of the suffix's tokens, and its gradient in their shape.

        Args:
            vectors: shape (token, feature).
        """
        loss, slope, _ = self._soft(vectors)
        return loss, slope

    @torch.no_grad()
    def losses(self, candidates: Tensor) -> Tensor:
        """Of each candidate, float32, shape (row,).

        Args:
            candidates: int64, shape (row, token).
        """
        shared = torch.zeros(len(candidates), dtype=torch.long, device=candidates.device)
        if self.current is not None:
            shared = (candidates == self.current).long().cumprod(1).sum(1)
        found = torch.empty(len(candidates), device=candidates.device)
        for rows in torch.argsort(shared, stable=True).split(self.batch):
            # One token of the suffix or of what follows it is always new, since a forward needs one that is read.
            skipped = min(int(shared[rows].min()), self.width - len(self.opening))
            found[rows] = self._losses(candidates[rows], skipped)
        self.chat.meter.forwards += len(candidates)
        return found

    def _losses(self, candidates: Tensor, skipped: int) -> Tensor:
        rows, start, length = len(candidates), self.start + skipped, self.start + self.width
        self.seats.spread(0, rows, start, self.start)
        tokens = torch.cat([candidates, self.rest.expand(rows, -1)], 1)[:, skipped:]
        ends = torch.full((rows,), length, device=candidates.device)
        scores = self.through.tail(tokens, self.seats, Span(0, start, ends, length), len(self.opening))
        labels = self.opening.expand(rows, -1).flatten()
        return functional.cross_entropy(scores.flatten(0, 1).float(), labels, reduction="none").view(rows, -1).mean(1)

    def _soft(self, vectors: Tensor) -> tuple[float, Tensor, Any]:
        cache: Any = DynamicCache()
        for number, (keys, values) in sorted(self.seats.memory.items()):
            cache.update(keys[-1:, :, : self.start], values[-1:, :, : self.start], number)
        with torch.enable_grad():
            vectors = vectors.detach().requires_grad_()
            whole = torch.cat([vectors, self.after])[None]
            told = self.chat.model(inputs_embeds=whole, past_key_values=cache, use_cache=True, **self.chosen)
            scores = told.logits[0, -len(self.opening) :].float()
            loss = functional.cross_entropy(scores, self.opening)
            (slope,) = torch.autograd.grad(loss, vectors)
        self.chat.meter.forwards += 1
        self.chat.meter.input_backwards += 1
        return float(loss.detach()), slope, cache
