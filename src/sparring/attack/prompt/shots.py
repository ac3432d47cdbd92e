"""Shots: made-up harmless exchanges in which an assistant does at once what it is told."""

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed

_EXCHANGES = (
    ("Say: {0}.", "{0}"),
    ("Write the word {0} and nothing else.", "{0}"),
    ("Tell me the word for today.", "The word for today is {0}."),
    ("Set the label of box {1} to {0}.", "Done, box {1} is labelled {0}."),
    ("Send a note that says: {0}", "Sent: {0}"),
    ("Which word is on card {1}?", "Card {1} says {0}."),
)
_WORDS = (
    "lantern", "meadow", "copper", "walnut", "harbour", "feather", "pebble", "violin", "saffron", "thistle", "orchard",
    "mitten", "beacon", "clover", "ribbon", "glacier", "teapot", "willow", "marble", "compass", "barley", "puddle",
    "canyon", "button",
)  # fmt: skip
MOST = len(_EXCHANGES) * len(_WORDS)


def shots(count: int, seed: Seed) -> str:
    """So many exchanges, no two alike, `User:` and `Assistant:` in turn, each turn on a line.

    Args:
        count: 1 to 144.
        seed: which of them, and in which order.

    Raises:
        InvalidSpec: for another number.
    """
    if not 1 <= count <= MOST:
        raise InvalidSpec(f"there are 1 to {MOST} shots to be had; got {count}.")
    lines = []
    for k in seed.child("shots").numpy().permutation(MOST)[:count].tolist():
        asked, told = _EXCHANGES[k % len(_EXCHANGES)]
        word, number = _WORDS[k // len(_EXCHANGES)], 10 + k
        lines += [f"User: {asked.format(word, number)}", f"Assistant: {told.format(word, number)}"]
    return "\n".join(lines)
