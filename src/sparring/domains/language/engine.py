"""Batched writing with a local language model: rows that finish leave, and the next prompt takes their seat."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sparring.domains.language.networks import Network, network
from sparring.domains.language.nucleus import draw
from sparring.domains.language.seats import Seats, Span
from sparring.domains.language.target import Sampling

_FORWARD = 4096  # new tokens in one forward, at most, when prompts are read


@dataclass
class _Row:
    """One prompt on its way.

    Args:
        number: of the prompt, among those asked.
        length: tokens whose keys and values are in the seat.
    """

    number: int
    length: int
    written: list[int] = field(default_factory=list)


@torch.no_grad()
def written(
    model: Any,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    uniforms: Tensor,
    *,
    ends: frozenset[int],
    stops: Callable[[list[int]], bool] | None = None,
    seats: int = 64,
) -> Iterator[tuple[int, list[int]]]:
    """Continues each prompt, and yields its position and tokens as soon as it is done.

    A row's tokens depend on its prompt and its numbers alone.

    What all prompts begin with is read once. The longest prompts go first, so that prompts that are read together
    have nearly one length and the batch is full of short rows when it runs dry.

    Cost: a forward per token, in batches of up to `seats`.

    Args:
        model: a Hugging Face causal language model in evaluation mode.
        prompts: token numbers, each at least one.
        uniforms: in [0, 1), float32, shape (prompt, token).
        ends: tokens that end a text; they are not part of it.
        stops: whether a text, as tokens, is finished; asked after each token.
        seats: rows in a batch, at most.
    """
    if not prompts:
        return
    device = next(model.parameters()).device
    through = network(model)
    queue = sorted(range(len(prompts)), key=lambda k: (-len(prompts[k]), k))
    seats = min(seats, len(prompts))
    memory = Seats(seats + 1, max(map(len, prompts)) + sampling.tokens)
    shared = _common(prompts)
    if shared:
        head = torch.tensor([prompts[0][:shared]], device=device)
        through.last(head, memory, Span(seats, 0, torch.tensor([shared], device=device), shared))
    live: list[_Row] = []

    def settle(rows: list[_Row], logits: Tensor) -> None:
        """Draws a token for each row, and marks those that are done."""
        steps = torch.tensor([(row.number, len(row.written)) for row in rows])
        chances = uniforms[steps[:, 0], steps[:, 1]].to(device)
        drawn = draw(logits, chances, sampling.top_p, sampling.temperature).tolist()
        for row, token in zip(rows, drawn, strict=True):
            if token not in ends:
                row.written.append(token)
            full = len(row.written) == sampling.tokens
            if token in ends or full or (stops is not None and stops(row.written)):
                row.length = -1

    while queue or live:
        free = seats - len(live)
        if queue and (not live or free >= min(len(queue), max(1, seats // 8))):
            fresh = _next(queue, prompts, free, shared)
            rows = [_Row(number, len(prompts[number])) for number in fresh]
            settle(rows, _read(through, memory, rows, [prompts[k] for k in fresh], len(live), shared, device))
            live += rows
        else:
            lengths = [row.length + 1 for row in live]
            tokens = torch.tensor([[row.written[-1]] for row in live], device=device)
            span = Span(0, None, torch.tensor(lengths, device=device), max(lengths))
            for row in live:
                row.length += 1
            settle(live, through.last(tokens, memory, span))
        yield from [(row.number, row.written) for row in live if row.length < 0]
        _close(live, memory)


def _common(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; each keeps one of its own at least."""
    if len(prompts) < 2:
        return 0
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    shared = 0
    limit = min(map(len, prompts)) - 1
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared


def _next(queue: list[int], prompts: Sequence[Sequence[int]], free: int, shared: int) -> list[int]:
    """Takes the prompts to read now from the queue."""
    widest = len(prompts[queue[0]]) - shared
    count = max(1, min(free, _FORWARD // widest, len(queue)))
    taken = queue[:count]
    del queue[:count]
    return taken


def _read(
    through: Network,
    memory: Seats,
    rows: list[_Row],
    prompts: list[Sequence[int]],
    first: int,
    shared: int,
    device: torch.device,
) -> Tensor:
    """Reads prompts into the seats from `first` on; scores of what follows each, shape (row, vocabulary)."""
    if shared:
        memory.spread(first, len(rows), shared)
    width = max(map(len, prompts)) - shared
    tokens = torch.tensor([[*prompt[shared:], *[0] * (width + shared - len(prompt))] for prompt in prompts])
    ends = torch.tensor([row.length for row in rows], device=device)
    return through.last(tokens.to(device), memory, Span(first, shared, ends, shared + width))


def _close(live: list[_Row], memory: Seats) -> None:
    """Lets finished rows go; the last rows move into the gaps, so that rows sit side by side."""
    for seat in range(len(live) - 1, -1, -1):
        if live[seat].length < 0:
            last = live.pop()
            if seat < len(live):
                memory.move(len(live), seat, last.length)
                live[seat] = last
