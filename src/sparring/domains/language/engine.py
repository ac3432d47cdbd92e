"""Batched writing with a local language model: rows that finish leave, and the next prompt takes their seat."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from sparring.domains.language.networks import Network, network
from sparring.domains.language.nucleus import draw
from sparring.domains.language.seats import Seats, Span
from sparring.domains.language.target import Sampling

_FORWARD = 4096  # new tokens in one forward, at most, when prompts are read
_WORTH = 64  # tokens that a group must save, since it costs a forward of its own; only processors are that slow to read


@dataclass
class _Group:
    """Prompts with one beginning, which is read once.

    Args:
        start: tokens of the beginning.
        members: numbers of the prompts that are still to be read, the longest first.
    """

    start: int
    members: list[int]


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

    What all prompts begin with is read once, and so is what many of them begin with (`_groups`). The longest prompts go
    first, so that prompts that are read together have nearly one length and the batch is full of short rows when it
    runs dry.

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
    seats = min(seats, len(prompts))
    memory = Seats(seats + 1, max(map(len, prompts)) + sampling.tokens)
    shared = _common(prompts)
    queue = _groups(prompts, shared, seats, _WORTH if device.type == "cpu" else _FORWARD)
    begun: Sequence[int] = ()  # what lies in the last seat
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
        if queue and (not live or free >= min(len(queue[0].members), max(1, seats // 8))):
            start, fresh = _next(queue, prompts, free)
            begun = _begin(through, memory, begun, prompts[fresh[0]][:start], device)
            rows = [_Row(number, len(prompts[number])) for number in fresh]
            settle(rows, _read(through, memory, rows, [prompts[k] for k in fresh], len(live), start, device))
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
    return min(_alike(min(prompts, key=tuple), max(prompts, key=tuple)), min(map(len, prompts)) - 1)


def _alike(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens two prompts begin with."""
    return next((k for k, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _groups(prompts: Sequence[Sequence[int]], shared: int, seats: int, worth: int) -> list[_Group]:
    """The prompts in groups that read their beginning once, so that most tokens are saved; the longest prompt first.

    Groups are stretches of the prompts in the order of their tokens, no longer than there are seats. Each must save
    `worth` tokens, beyond what all share; prompts outside them make up one that reads nothing but the latter once.
    """
    order = sorted(range(len(prompts)), key=lambda k: (tuple(prompts[k]), k))
    alike = [_alike(prompts[one], prompts[two]) for one, two in pairwise(order)]
    best, cuts = [0], [0]  # over the first so many prompts: tokens saved, and where the last stretch begins
    for stop in range(1, len(order) + 1):
        most, cut, start = best[-1], stop - 1, len(prompts[order[stop - 1]]) - 1
        for first in range(stop - 2, max(-1, stop - 1 - seats), -1):
            start = min(start, alike[first], len(prompts[order[first]]) - 1)
            if start <= shared:
                break
            saved = best[first] + (stop - first - 1) * (start - shared) - worth
            if saved > most:
                most, cut = saved, first
        best.append(most)
        cuts.append(cut)
    found, rest, stop = [], [], len(order)
    while stop:
        own = order[cuts[stop] : stop]
        if len(own) > 1:
            found.append(_Group(min(*alike[cuts[stop] : stop - 1], *(len(prompts[k]) - 1 for k in own)), own))
        else:
            rest += own
        stop = cuts[stop]
    found += [_Group(shared, rest)] if rest else []
    for group in found:
        group.members.sort(key=lambda k: (-len(prompts[k]), k))
    return sorted(found, key=lambda group: -len(prompts[group.members[0]]))


def _next(queue: list[_Group], prompts: Sequence[Sequence[int]], free: int) -> tuple[int, list[int]]:
    """Takes the prompts to read now from the queue: the tokens that they begin with alike, and their numbers."""
    group = queue[0]
    widest = len(prompts[group.members[0]]) - group.start
    count = max(1, min(free, _FORWARD // widest, len(group.members)))
    taken = group.members[:count]
    del group.members[:count]
    if not group.members:
        del queue[0]
    return group.start, taken


def _begin(
    through: Network, memory: Seats, begun: Sequence[int], wanted: Sequence[int], device: torch.device
) -> Sequence[int]:
    """Reads a beginning into the last seat, as far as it does not lie there yet, and gives it back."""
    known = _alike(begun, wanted)
    if known < len(wanted):
        tokens = torch.tensor([list(wanted[known:])], device=device)
        ends = torch.tensor([len(wanted)], device=device)
        through.last(tokens, memory, Span(memory.seats - 1, known, ends, len(wanted)))
        return wanted
    return begun


def _read(
    through: Network,
    memory: Seats,
    rows: list[_Row],
    prompts: list[Sequence[int]],
    first: int,
    start: int,
    device: torch.device,
) -> Tensor:
    """Reads prompts behind the beginning in the last seat into the seats from `first` on.

    Returns:
        Scores of what follows each, shape (row, vocabulary).
    """
    if start:
        memory.spread(first, len(rows), start)
    width = max(map(len, prompts)) - start
    tokens = torch.tensor([[*prompt[start:], *[0] * (width + start - len(prompt))] for prompt in prompts])
    ends = torch.tensor([row.length for row in rows], device=device)
    return through.last(tokens.to(device), memory, Span(first, start, ends, start + width))


def _close(live: list[_Row], memory: Seats) -> None:
    """Lets finished rows go; the last rows move into the gaps, so that rows sit side by side."""
    for seat in range(len(live) - 1, -1, -1):
        if live[seat].length < 0:
            last = live.pop()
            if seat < len(live):
                memory.move(len(live), seat, last.length)
                live[seat] = last
