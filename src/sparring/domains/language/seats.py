"""Key and value memory of a batch that is being written: one seat per row, allocated once, rows come and go."""

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 64  # attention kernels add in one order for every length that is a multiple of this, so replies replay


@dataclass(frozen=True)
class Span:
    """Which rows go through the model, and where their new tokens stand.

    Args:
        first: the seat of the first row; the rows sit side by side.
        start: slot of the first new token where all rows share it; None where each row's single token goes to its end.
        ends: tokens of each row once the new ones are in, int64, shape (row,); rows may be padded on the right.
        length: of the longest row; nothing beyond it is read (see `blocks`).
    """

    first: int
    start: int | None
    ends: Tensor
    length: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.first + len(self.ends))

    def positions(self, tokens: int) -> Tensor:
        """Of the new tokens, int64, shape (row, token)."""
        if self.start is None:
            return self.ends[:, None] - 1
        steps = torch.arange(self.start, self.start + tokens, device=self.ends.device)
        return steps.expand(len(self.ends), tokens)

    def visible(self, tokens: int) -> Tensor:
        """Which slots each new token may look at, bool, shape (row, token, slot)."""
        slots = torch.arange(self.length, device=self.ends.device)
        return slots <= self.positions(tokens)[:, :, None]


def blocks(tokens: int) -> int:
    """The slots for so many tokens, the last of them perhaps empty."""
    return -(-tokens // _BLOCK) * _BLOCK


class Seats:
    """Keys and values per layer, each of shape (seat, head, slot, feature).

    Memory: `2 * layers * heads * features` numbers per seat and slot.
    """

    def __init__(self, seats: int, slots: int) -> None:
        self.seats, self.slots = seats, blocks(slots)
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}

    def store(self, layer: int, keys: Tensor, values: Tensor, span: Span) -> tuple[Tensor, Tensor]:
        """Puts the new tokens' keys and values, shape (row, head, token, feature), into their slots.

        Returns:
            Views of all that these rows have by now, shape (row, head, length, feature).
        """
        if layer not in self.memory:
            self.memory[layer] = tuple(  # type: ignore[assignment]
                new.new_zeros(self.seats, new.shape[1], self.slots, new.shape[3]) for new in (keys, values)
            )
        found = []
        for all_rows, new in zip(self.memory[layer], (keys, values), strict=True):
            rows = all_rows[span.rows]
            if span.start is None:
                rows[torch.arange(len(rows), device=rows.device), :, span.ends - 1] = new[:, :, 0]
            else:
                rows[:, :, span.start : span.start + new.shape[2]] = new
            found.append(rows[:, :, : span.length])
        return found[0], found[1]

    def spread(self, first: int, rows: int, length: int, start: int = 0) -> None:
        """Copies the slots from `start` to `length` of the last seat, where the common beginning lies, to some rows."""
        for pair in self.memory.values():
            for memory in pair:
                memory[first : first + rows, :, start:length] = memory[-1:, :, start:length]

    def move(self, here: int, there: int, length: int) -> None:
        """Copies one seat's first `length` slots to another's."""
        for pair in self.memory.values():
            for memory in pair:
                memory[there, :, :length] = memory[here, :, :length]
