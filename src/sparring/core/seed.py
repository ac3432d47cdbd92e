"""Seeds as values: named children, and random numbers that belong to a case and not to a batch."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


@dataclass(frozen=True)
class Seed:
    """A seed that can be split by name: `Seed(0).child("pgd", 3)` is the same on every machine."""

    value: int = 0

    def child(self, *names: object) -> "Seed":
        """A seed of its own for each sequence of names (strings or integers)."""
        text = "/".join([str(self.value), *map(str, names)])
        return Seed(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1)

    def generator(self, device: str | torch.device = "cpu") -> torch.Generator:
        """A torch generator that starts here."""
        return torch.Generator(device).manual_seed(self.value)

    def numpy(self) -> np.random.Generator:
        """A numpy generator that starts here."""
        return np.random.default_rng(self.value)

    def stream(self, ids: Sequence[str], device: str | torch.device = "cpu") -> "Stream":
        """One independent stream of numbers for each case id."""
        start = str(self.value).encode()
        digests = (hashlib.blake2b(i.encode(), digest_size=8, key=start).digest() for i in ids)
        keys = [int.from_bytes(digest, "big", signed=True) for digest in digests]
        return Stream(torch.tensor(keys, dtype=torch.int64, device=device))

    @staticmethod
    def of(seed: "Seed | int") -> "Seed":
        """Accepts a plain integer where a seed is wanted."""
        return seed if isinstance(seed, Seed) else Seed(int(seed))


@dataclass(frozen=True)
class Stream:
    """Counter-based random numbers, one stream per case: slicing a batch changes nobody's numbers.

    Source: splitmix64 (Steele, Lea and Flood, 2014), applied to (case key, draw, position).
    `at` numbers the draw: the same `at` gives the same numbers, so a loop passes its step.

    Args:
        keys: int64, shape (batch,).
    """

    keys: Tensor

    def __getitem__(self, index: Tensor | slice) -> "Stream":
        return Stream(self.keys[index])

    def child(self, seed: Seed) -> "Stream":
        """Independent streams of the same cases: one for each training step, say, without hashing ids again."""
        return Stream(_mix(self.keys ^ seed.value))

    def uniform(self, shape: Sequence[int] = (), at: int = 0) -> Tensor:
        """Float32 in [0, 1), shape (batch, *shape)."""
        size = math.prod(shape)
        starts = _mix(self.keys + _signed(_GOLDEN * (at + 1)))
        counters = torch.arange(1, size + 1, dtype=torch.int64, device=self.keys.device) * _GOLDEN
        bits = _mix(starts[:, None] + counters[None, :])
        values = (_shift(bits, 40)).to(torch.float32) * 2.0**-24
        return values.reshape(len(self.keys), *shape)

    def normal(self, shape: Sequence[int] = (), at: int = 0) -> Tensor:
        """Standard normal float32, shape (batch, *shape), by the Box-Muller transform."""
        pairs = self.uniform((2, *shape), at)
        radius = torch.sqrt(-2.0 * torch.log1p(-pairs[:, 0]))
        return radius * torch.cos(2.0 * math.pi * pairs[:, 1])

    def integers(self, high: int, shape: Sequence[int] = (), at: int = 0) -> Tensor:
        """Int64 in [0, high), shape (batch, *shape)."""
        return (self.uniform(shape, at).double() * high).long().clamp_(max=high - 1)

    def signs(self, shape: Sequence[int] = (), at: int = 0) -> Tensor:
        """Float32, -1 or 1 with equal chance, shape (batch, *shape)."""
        return torch.where(self.uniform(shape, at) < 0.5, -1.0, 1.0)


def _signed(number: int) -> int:
    """The integer that the lowest 64 bits stand for; torch refuses larger ones."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _shift(bits: Tensor, by: int) -> Tensor:
    """Logical right shift of signed 64-bit integers."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shift(bits, 30)) * _MIX_1
    bits = (bits ^ _shift(bits, 27)) * _MIX_2
    return bits ^ _shift(bits, 31)
