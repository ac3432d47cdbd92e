"""Cases: what the target is asked, under ids that stay the same on every machine."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sparring.core.errors import InvalidCases


@dataclass(frozen=True)
class Cases:
    """Ids, inputs and goals, in the same order; sliceable by slice, mask or integer array.

    `inputs` may be anything that knows its length and can be indexed: a tensor, a list of texts, a
    memory map, a data set that reads from disk. Only the slice in hand is ever loaded.

    Args:
        ids: one stable name per case.
        inputs: what the target receives, one per case.
        goals: what an adversary wants of each case, one per case.
        name: of the set, for tables.
        groups: one per case, such as `contact/phone number`, for rates by group; None where there are none. An id up
            to its first `#` names the cluster: `contact/7#2` is another sample of what `contact/7#1` asks.

    Raises:
        InvalidCases: if they differ in length.
    """

    ids: Sequence[str]
    inputs: Any
    goals: Any
    name: str = "cases"
    groups: Sequence[str] | None = None

    def __post_init__(self) -> None:
        sizes = (len(self.ids), len(self.inputs), len(self.goals))
        if len(set(sizes)) > 1:
            raise InvalidCases(
                f"ids, inputs and goals must be equally many; got {sizes[0]}, {sizes[1]} and {sizes[2]}. "
                "Pass one goal (or label) per input."
            )
        if self.groups is not None and len(self.groups) != len(self.ids):
            raise InvalidCases(f"{len(self.ids)} cases need as many groups, or none; got {len(self.groups)}.")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> "Cases":
        groups = None if self.groups is None else take(self.groups, index)
        inputs, goals = take(self.inputs, index), take(self.goals, index)
        return replace(self, ids=take(self.ids, index), inputs=inputs, goals=goals, groups=groups)

    def blocks(self, size: int) -> Iterator["Cases"]:
        """The cases in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def split(self, part: float, salt: str = "validation") -> tuple["Cases", "Cases"]:
        """Two disjoint sets, the second with about `part` of the cases, chosen by id alone."""
        chosen = np.array([_position(salt, i) < part for i in self.ids], dtype=bool)
        return self[np.flatnonzero(~chosen)], self[np.flatnonzero(chosen)]


def take(sequence: Any, index: Any) -> Any:
    """Indexes tensors, arrays, lists and lazy sources alike, by slice, mask or integer array."""
    if isinstance(index, slice):
        return sequence[index]
    if isinstance(index, torch.Tensor):
        if isinstance(sequence, torch.Tensor):
            return sequence[index.to(sequence.device)]
        index = index.cpu().numpy()
    index = np.asarray(index)
    if index.dtype == bool:
        index = np.flatnonzero(index)
    if isinstance(sequence, torch.Tensor):
        return sequence[torch.from_numpy(index.astype(np.int64)).to(sequence.device)]
    if isinstance(sequence, (list, tuple, range)):
        return [sequence[int(i)] for i in index]
    return sequence[index]


def _position(salt: str, case_id: str) -> float:
    digest = hashlib.blake2b(f"{salt}/{case_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
