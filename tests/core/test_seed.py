"""Random numbers that belong to the case."""

import torch

from sparring.core.seed import Seed


def test_a_stream_gives_fresh_uniform_numbers_for_every_draw():
    stream = Seed(0).stream([f"case-{i}" for i in range(50)])
    draws = torch.stack([stream.uniform((40,), at) for at in (0, 1, 2, 3, 1000, 10**6)])
    assert len(draws.unique()) > 0.999 * draws.numel()
    assert abs(float(draws.mean()) - 0.5) < 0.01
    assert abs(float(draws.std()) - 12**-0.5) < 0.01
