"""Shots: so many harmless exchanges, in turn, by the seed."""

import pytest

from sparring.attack.prompt.shots import MOST, shots
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed


def test_user_and_assistant_speak_in_turn_and_the_assistant_obeys():
    lines = shots(MOST, Seed(0)).split("\n")
    assert len(lines) == 2 * MOST
    assert all(line.startswith("User: ") for line in lines[::2])
    assert all(line.startswith("Assistant: ") for line in lines[1::2])
    for asked, told in zip(lines[::2], lines[1::2], strict=True):
        if asked.startswith("User: Say: "):
            assert told == f"Assistant: {asked.removeprefix('User: Say: ').rstrip('.')}"


def test_fewer_shots_are_the_first_of_more():
    assert shots(9, Seed(3)).startswith(shots(4, Seed(3)))
    assert shots(9, Seed(3)) != shots(9, Seed(4))


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_another_number_is_refused(count):
    with pytest.raises(InvalidSpec, match=f"1 to 144 shots to be had; got {count}"):
        shots(count, Seed(0))
