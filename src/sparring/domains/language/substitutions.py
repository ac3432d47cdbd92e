"""Substitutions: which tokens of a suffix to swap for which, drawn from the most promising by the gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparring.core.seed import Stream

_TRIES = 4  # draws per candidate that is wanted, at most, before the filter


def candidates_of(
    suffix: Tensor,
    gradient: Tensor,
    allowed: Tensor,
    stream: Stream,
    step: int,
    *,
    count: int,
    topk: int,
    replace: int,
    keeps: Callable[[list[int]], bool],
) -> Tensor:
    """Different suffixes that differ from one in `replace` places, int64, shape (row, token); perhaps none.

    Every (place, token) among the most promising is as likely as every other, and none is drawn twice; with
    `replace` above 1, further places and tokens are drawn for each.

    Args:
        suffix: int64, shape (token,).
        gradient: of a loss that is to fall, shape (token, vocabulary).
        allowed: bool, shape (vocabulary,): tokens that may be put in.
        stream: of one case.
        step: which draw of it.
        count: candidates wanted.
        topk: tokens per place that are looked at, those whose gradient is lowest.
        replace: places that are swapped at once.
        keeps: whether a candidate may be used; asked in the order of the draw until there are enough.
    """
    length = len(suffix)
    scores = gradient.masked_fill(~allowed.to(gradient.device), float("inf"))
    scores[torch.arange(length), suffix] = float("inf")
    best = scores.topk(min(topk, scores.shape[1]), dim=1, largest=False)
    tokens, usable = best.indices.cpu(), best.values.cpu().isfinite()
    width = tokens.shape[1]
    ranks = stream.uniform((length * width,), at=2 * step)[0].cpu()
    pairs = torch.argsort(ranks, stable=True)
    pairs = pairs[usable.flatten()[pairs]][: _TRIES * count]
    rows = suffix.cpu().repeat(len(pairs), 1)
    rows[torch.arange(len(pairs)), pairs // width] = tokens.flatten()[pairs]
    if replace > 1 and len(pairs):
        draws = stream.uniform((len(pairs), 2, length), at=2 * step + 1)[0].cpu()
        places = draws[:, 0].scatter(1, (pairs // width)[:, None], 2.0).argsort(1)[:, : min(replace, length) - 1]
        choices = tokens[places, (draws[:, 1].gather(1, places) * usable.sum(1)[places]).long()]
        rows.scatter_(1, places, choices)
    kept: list[list[int]] = []
    for row in rows.tolist():
        if len(kept) == count:
            break
        if row not in kept and keeps(row):
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64, device=suffix.device).view(len(kept), length)
