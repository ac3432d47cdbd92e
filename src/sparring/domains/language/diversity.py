"""Diversity: whether a set of test cases says many things, or one thing many times."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+(?:'\w+)*")
_ORDER = 4  # longest n-gram of BLEU
_OTHERS = 1000  # texts that each is compared with, and texts that are compared
_EMBEDDED = 128  # texts behind the coverage, so that it takes a fraction of a second
_FEWEST = 8
_SMOOTHED = 0.1  # stands for a count of 0 (Chen and Cherry, 2014, method 1)


def described(texts: Sequence[str]) -> dict[str, float]:
    """Figures of a set of texts; empty for fewer than 8, which say little.

    `self_bleu` is the mean BLEU-4 of up to 1,000 texts, each against up to 1,000 others (Zhu et al., 2018,
    arXiv:1802.01886; 1 where each text repeats others word for word), `distinct_n` the share of different n-grams among
    all n-grams (Li et al., 2016, arXiv:1510.03055), `commonest_word_share` the share of texts that hold the content
    word which most texts hold, `duplicates` the share of texts that occurred before, apart from case and punctuation.
    `coverage` is the mean distance (1 - cosine) of a text's sentence embedding to the nearest other among 128 texts;
    left out where the embedding model is not in the cache.

    Differs: words alone are counted, in lower case; BLEU leaves out orders that a text is too short for, and counts of
    zero are 0.1. Above 1,000 texts, every k-th is taken.
    """
    split = [words(text) for text in texts]
    if len(split) < _FEWEST:
        return {}
    figures = {"self_bleu": self_bleu(split)}
    figures |= {f"distinct_{n}": distinct(split, n) for n in (1, 2, 3)}
    figures["commonest_word_share"] = commonest_word(split)[1]
    figures["duplicates"] = 1 - len({tuple(one) for one in split}) / len(split)
    coverage = _coverage(spread(texts, _EMBEDDED))
    return figures if coverage is None else figures | {"coverage": coverage}


def collapsed(figures: dict[str, float]) -> str | None:
    """A sentence if the texts behind these figures say one thing many times, else None.

    The limits are ours: three texts in four share a content word (Perez et al., 2022, saw 78 % with "invisible"), one
    in five repeats another, or half of what is said was said before (self-BLEU above 0.7, distinct bigrams below 10 %).
    """
    signs = []
    for key, limit, above, told in (
        ("commonest_word_share", 0.75, True, "{:.0%} share one content word"),
        ("duplicates", 0.2, True, "{:.0%} repeat another word for word"),
        ("self_bleu", 0.7, True, "self-BLEU is {:.2f}"),
        ("distinct_2", 0.1, False, "{:.0%} of bigrams are distinct"),
    ):
        value = figures.get(key)
        if value is not None and (value > limit if above else value < limit):
            signs.append(told.format(value))
    return f"the attack cases say one thing many times: {', '.join(signs)}" if signs else None


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


# Words that say nothing about a text's subject.
_PLAIN = frozenset(
    words(
        "a about above after again all also am an and any are as at be because been before being below between both but by "
        "can could did do does doing don't down during each ever every few for from further get go had has have having he "
        "her here hers him his how i i'd i'm i've if in into is isn't it it's its itself just know let like many may me "
        "might more most much must my myself need no nor not now of off on once one only or other our out over own please "
        "same shall she should so some such tell than that that's the their them then there these they they're this those "
        "through to too under until up us use used very want was we were what what's when where which while who whom whose "
        "why will with would yes yet you you're your yours yourself"
    )
)


def spread(texts: Sequence[str], most: int) -> list[str]:
    """At most so many of the texts, evenly spread over them."""
    count = min(most, len(texts))
    return [texts[k * len(texts) // count] for k in range(count)]


def self_bleu(split: Sequence[list[str]]) -> float:
    """Mean BLEU-4 of texts (lists of words), each against the others; 0 for a single text."""
    chosen = [split[k * len(split) // min(_OTHERS + 1, len(split))] for k in range(min(_OTHERS + 1, len(split)))]
    if len(chosen) < 2:
        return 0.0
    book = References(chosen)
    return sum(book.bleu(one, own=k) for k, one in enumerate(chosen)) / len(chosen)


class References:
    """Texts to compare others with: for each n-gram, the two largest counts in one text, and whose they are.

    Leaving one text out is then a look at the second, so all texts against all others cost one pass.
    """

    def __init__(self, split: Iterable[list[str]] = ()) -> None:
        self._largest: dict[tuple[str, ...], tuple[int, int, int]] = {}
        self._lengths: Counter[int] = Counter()
        self._size = 0
        for one in split:
            self.add(one)

    def __len__(self) -> int:
        return self._size

    def add(self, one: list[str]) -> None:
        """Adds a text, as words; its number is how many there were before."""
        for n in range(1, _ORDER + 1):
            for gram, count in _grams(one, n).items():
                first, owner, second = self._largest.get(gram, (0, -1, 0))
                if count > first:
                    self._largest[gram] = (count, self._size, first)
                elif count > second:
                    self._largest[gram] = (first, owner, count)
        self._lengths[len(one)] += 1
        self._size += 1

    def bleu(self, one: list[str], own: int | None = None) -> float:
        """BLEU-4 of a text against all (but number `own`), in [0, 1]; 0 for no words or nothing to compare with."""
        lengths = self._lengths if own is None else self._lengths - Counter([len(one)])
        if not one or not lengths:
            return 0.0
        logs = []
        for n in range(1, min(_ORDER, len(one)) + 1):
            hits = 0
            for gram, count in _grams(one, n).items():
                first, owner, second = self._largest.get(gram, (0, -1, 0))
                hits += min(count, second if owner == own else first)
            logs.append(math.log((hits or _SMOOTHED) / (len(one) - n + 1)))
        nearest = min(lengths, key=lambda length: (abs(length - len(one)), length))
        brevity = min(0.0, 1 - nearest / len(one))
        return math.exp(brevity + sum(logs) / len(logs))


def distinct(split: Iterable[list[str]], n: int) -> float:
    """Different n-grams / all n-grams; 1 where there are none."""
    grams: set[tuple[str, ...]] = set()
    total = 0
    for one in split:
        here = list(zip(*(one[k:] for k in range(n)), strict=False))
        grams.update(here)
        total += len(here)
    return len(grams) / total if total else 1.0


def commonest_word(split: Sequence[list[str]]) -> tuple[str, float]:
    """The content word that most texts hold, and the share of texts that hold it."""
    holding: Counter[str] = Counter()
    for one in split:
        holding.update({word for word in one if len(word) > 1 and word not in _PLAIN and not word.isdigit()})
    if not holding:
        return "", 0.0
    word, count = min(holding.items(), key=lambda item: (-item[1], item[0]))
    return word, count / len(split)


def _grams(one: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(one[k:] for k in range(n)), strict=False))


def _coverage(texts: Sequence[str]) -> float | None:
    from sparring.domains.language.embedding import embedder

    model = embedder()
    if model is None:
        return None
    vectors = model.embed(texts)
    alike = vectors @ vectors.T
    alike.fill_diagonal_(-1)
    return float((1 - alike.max(1).values).mean())
