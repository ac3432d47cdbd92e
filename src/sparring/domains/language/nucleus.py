"""Nucleus sampling with one uniform number per row: inverse distribution function over the likeliest tokens."""

import torch
from torch import Tensor

_CHUNK = 64
_FEW, _MANY = 64, 2048  # how many of the likeliest tokens are looked at first, and next


def draw(logits: Tensor, uniform: Tensor, top_p: float, temperature: float) -> Tensor:
    """One token per row, from the smallest set of likeliest tokens whose probabilities add up to `top_p`.

    Exact for every nucleus: where the few likeliest tokens are not enough, more are sorted, for these rows alone.

    Paper: Holtzman et al., 2020, arXiv:1904.09751, section 3.1.
    Differs: one given number decides the draw, so a row's token does not depend on its batch.

    Args:
        logits: shape (row, token).
        uniform: in [0, 1), float32, shape (row,).
        top_p: in (0, 1].
        temperature: 0 takes the likeliest token.

    Returns:
        Token numbers, int64, shape (row,).
    """
    if temperature == 0:
        return logits.argmax(1)
    if temperature != 1:
        logits = logits.float() / temperature
    if top_p >= 1:
        return _everywhere(logits.softmax(1, dtype=torch.float32), uniform)
    total = logits.float().logsumexp(1, keepdim=True)
    size = logits.shape[1]
    tokens = torch.empty(len(logits), dtype=torch.int64, device=logits.device)
    open_rows = torch.arange(len(logits), device=logits.device)
    for count in sorted({min(_FEW, size), min(_MANY, size), size}):
        part, whole = (logits, total) if len(open_rows) == len(logits) else (logits[open_rows], total[open_rows])
        order = _likeliest(part, count)
        chances = (part.gather(1, order).float() - whole).exp()
        # By falling probability, equal ones by token number: which of them are inside must not depend on the batch.
        ranks = chances.sort(dim=1, descending=True, stable=True).indices
        ranked = chances.gather(1, ranks)
        sums = ranked.cumsum(1)
        inside_ranked = sums - ranked < top_p
        inside = torch.zeros_like(inside_ranked).scatter_(1, ranks, inside_ranked)
        # One that is as likely as the last looked at may have an equal further on, so more are looked at.
        enough = (ranked[:, -1] < torch.where(inside_ranked, ranked, 1.0).amin(1)) | (count == size)
        # The draw itself goes by token number, where a last digit of rounding changes no order.
        kept = torch.where(inside, chances, 0.0).cumsum(1)
        at = (kept <= (uniform[open_rows] * kept[:, -1])[:, None]).sum(1)
        at = torch.minimum(at, (kept < kept[:, -1:]).sum(1))  # rounding must not step out of the nucleus
        chosen = order.gather(1, at[:, None])[:, 0]
        tokens[open_rows[enough]] = chosen[enough]
        open_rows = open_rows[~enough]
        if not len(open_rows):
            break
    return tokens


def _everywhere(chances: Tensor, uniform: Tensor) -> Tensor:
    sums = chances.cumsum(1, dtype=torch.float64)
    at = torch.searchsorted(sums, (uniform.double() * sums[:, -1])[:, None], right=True)
    return at[:, 0].clamp_(max=chances.shape[1] - 1)


def _likeliest(logits: Tensor, count: int) -> Tensor:
    """Where each row's `count` highest values are, by token number.

    They lie in the `count` chunks with the highest maxima, which spares a selection over the whole vocabulary.
    """
    rows, size = logits.shape
    chunks = size // _CHUNK
    if size % _CHUNK or chunks <= 4 * count:
        return logits.topk(count, 1, sorted=False).indices.sort(1).values
    parts = logits.view(rows, _CHUNK, chunks)
    _, best = parts.amax(1).topk(count, 1, sorted=False)
    near = parts.gather(2, best[:, None].expand(-1, _CHUNK, -1)).flatten(1)
    where = near.topk(count, 1, sorted=False).indices
    return (best.gather(1, where % count) + where // count * chunks).sort(1).values
