"""The tokens drawn have the distribution of the nucleus, and one number decides each."""

import pytest
import torch
from scipy.stats import chisquare

from sparring.core.seed import Seed
from sparring.domains.language.nucleus import draw


def nucleus(logits, top_p, temperature=1.0):
    """The distribution by its definition: sort, keep while what came before adds up to less than `top_p`, normalise."""
    chances = (logits.double() / temperature).softmax(0)
    order = chances.argsort(descending=True)
    before = chances[order].cumsum(0) - chances[order]
    kept = torch.zeros_like(chances)
    kept[order[before < top_p]] = chances[order[before < top_p]]
    return kept / kept.sum()


def uniforms(count):
    return Seed(3).stream(["row"]).uniform((count,))[0]


@pytest.mark.parametrize("top_p", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_draws_the_nucleus_of_a_tiny_vocabulary(top_p, temperature):
    logits = torch.tensor([2.0, 1.5, -1.0, 0.3, 0.0, -3.0, 1.0])
    count = 20_000
    drawn = draw(logits.expand(count, -1), uniforms(count), top_p, temperature).bincount(minlength=7)
    expected = nucleus(logits, top_p, temperature)
    inside = expected > 0
    assert drawn[~inside].sum() == 0
    assert inside.sum() == 1 or chisquare(drawn[inside].numpy(), (expected[inside] * count).numpy()).pvalue > 0.001


@pytest.mark.parametrize("spread", [0.3, 3.0])  # nuclei of thousands of tokens, and of a few
def test_a_nucleus_larger_than_the_first_look_is_exact(spread):
    logits = spread * torch.randn(20_480, generator=torch.Generator().manual_seed(0))
    expected = nucleus(logits, 0.8)
    sums = expected.cumsum(0)
    numbers = uniforms(40)
    drawn = draw(logits.expand(40, -1), numbers, 0.8, 1.0)
    by_hand = torch.searchsorted(sums, numbers.double(), right=True)
    assert (drawn == by_hand).float().mean() >= 0.9  # sums in single precision may land on the neighbour
    assert (expected[drawn] > 0).all()


def test_the_likeliest_tokens_are_found_in_a_large_vocabulary():
    logits = torch.randn(3, 49_152, generator=torch.Generator().manual_seed(1))
    assert draw(logits, torch.full((3,), 0.5), 1e-6, 1.0).tolist() == logits.argmax(1).tolist()
    assert draw(logits, torch.full((3,), 0.9), 0.8, 0.0).tolist() == logits.argmax(1).tolist()


def test_a_row_draws_the_same_alone_and_in_a_batch():
    logits = torch.randn(30, 20_480, generator=torch.Generator().manual_seed(2)) * 2
    numbers = uniforms(30)
    alone = [int(draw(logits[k : k + 1], numbers[k : k + 1], 0.9, 1.0)) for k in range(30)]
    assert draw(logits, numbers, 0.9, 1.0).tolist() == alone


def test_equally_likely_tokens_are_cut_by_their_number():
    logits = torch.zeros(1, 5_000)  # the nucleus of 0.3 is the first 1,500 tokens
    numbers = uniforms(50)
    drawn = draw(logits.expand(50, -1), numbers, 0.3, 1.0)
    assert drawn.max() <= 1_500
    assert (drawn - (numbers * 1_500).long()).abs().max() <= 1
