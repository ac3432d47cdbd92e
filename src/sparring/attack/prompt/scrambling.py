"""Scrambling: random capitals, swapped letters and typing errors that a reader barely minds."""

import re

from sparring.core.seed import Seed

_WORD = re.compile(r"\S+")
_PLAIN = re.compile(r"[^\W\d_]+[.,:;!?]*")


def scrambled(text: str, seed: Seed, strength: float = 0.4) -> str:
    """The text with its words scrambled at random; codes, addresses and markup stay, or the order would be lost.

    Paper: Hughes et al., 2024, arXiv:2412.03556, appendix A.1: with probability sqrt(strength) the letters inside a word
    of four or more are shuffled, with the same probability a letter is a capital, and with strength ** 3 an ASCII
    character gives way to a neighbour.
    Differs: words with a digit or a sign inside stay as they are, and only letters give way to neighbours, which are
    letters too.

    Args:
        strength: in [0, 1]; 0 changes nothing.
    """
    draw = seed.child("scrambled").numpy()

    def changed(found: re.Match[str]) -> str:
        word = found[0]
        if not _PLAIN.fullmatch(word):
            return word
        letters = word.rstrip(".,:;!?")
        rest = word[len(letters) :]
        if len(letters) > 3 and draw.random() < strength**0.5:
            inside = [letters[k] for k in 1 + draw.permutation(len(letters) - 2)]
            letters = "".join([letters[0], *inside, letters[-1]])
        capital, typo = draw.random((2, len(letters)))
        drawn = zip(letters, capital < strength**0.5, typo < strength**3, strict=True)
        return "".join(_typed(letter, bool(upper), bool(wrong)) for letter, upper, wrong in drawn) + rest

    return _WORD.sub(changed, text)


def _typed(letter: str, upper: bool, wrong: bool) -> str:
    if wrong and letter.isascii():
        letter = chr(ord(letter) + (1 if letter in "aA" else -1))
    return letter.upper() if upper else letter
