"""Phrases as a blacklist sees them: look-alike letters, spacing and punctuation taken away, figures as shapes."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Letters of other scripts that look like Latin ones, after case folding: Cyrillic, Greek, phonetic; a table of our own.
_PAIRS: dict[str, str] = dict(
    zip(
        "авсԁеһіјкӏмнорԛѕтуүѵԝх" + "αβγεηικνορτυχω" + "ɑɡɩıłøđħŧʀʏɴʟᴀᴄᴇᴏᴜᴠᴡᴢ",
        "abcdehijklmhopqstyyvwx" + "abyenikvoptuxw" + "agiilodhtrynlaceouvwz",
        strict=True,
    )
)
_LOOK_ALIKE = str.maketrans(_PAIRS)
_INSIDE = re.compile(r"(?<=[^\W\d_])[013457$@!](?=[^\W\d_])")  # a figure or sign that stands for a letter
_LEET: dict[str, str] = dict(zip("013457$@!", "oleastsai", strict=True))
_MAIL = re.compile(r"[^\s@<>,;]+\s?(?:@|[\[(]\s?at\s?[\])])\s?[^\s@<>,;]+\s?(?:\.|[\[(]\s?dot\s?[\])])\s?[a-z]{2,}")
_LINK = re.compile(r"(?:[a-z]+://|www\.)\S+")
_ROW = re.compile(r"\d(?:[\s().+\u2013\u2014-]{0,3}\d)*")
_DATE = re.compile(r"(?<!\d)(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{2}(?:\d{2})?)(?!\d)")
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W\d_][\W_]{1,2}){2,}[^\W\d_](?![^\W_])")
_UNIT = re.compile(r"<[a-z]+>|#\d+|[^\W\d_]+")
_LONG = 7  # digits of the shortest telephone number
_JOINED = 8  # letters of a phrase that is also looked for where all spaces were taken out


@dataclass(frozen=True)
class Shape:
    """One text, ready to be matched.

    Args:
        units: words in lower case without accents; `<number>` for a row of seven digits or more however it is parted
            (telephone and account numbers), `#4` for a row of four, `<date>`, `<mail>` for an e-mail address, `<link>`
            for a URL.
        letters: the words without anything between them.
    """

    units: tuple[str, ...]
    letters: str

    @staticmethod
    def of(text: str) -> "Shape":
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        plain = "".join(c for c in plain if not unicodedata.category(c).startswith(("M", "Cf")))
        plain = plain.translate(_LOOK_ALIKE)
        plain = _LINK.sub(" <link> ", _MAIL.sub(" <mail> ", plain))
        plain = _SPELLED.sub(lambda found: re.sub(r"[\W_]", "", found[0]), plain)
        for _ in range(2):  # the second time for two signs in a row
            plain = _INSIDE.sub(lambda found: _LEET[found[0]], plain)
        plain = _ROW.sub(_row, _DATE.sub(" <date> ", plain))
        units = tuple(_UNIT.findall(plain))
        return Shape(units, "".join(unit for unit in units if unit[0] not in "#<"))

    def phrases(self, longest: int) -> Iterator[tuple[str, ...]]:
        """Every run of 1 to `longest` units."""
        for size in range(1, longest + 1):
            for start in range(len(self.units) - size + 1):
                yield self.units[start : start + size]

    def holds(self, phrase: Sequence[str]) -> bool:
        """Whether the phrase occurs, word by word, or without the spaces where it is long enough to be no accident."""
        size, wanted = len(phrase), tuple(phrase)
        if any(self.units[k : k + size] == wanted for k in range(len(self.units) - size + 1)):
            return True
        joined = "".join(wanted)
        return len(joined) >= _JOINED and joined.isalpha() and joined in self.letters


def _row(found: re.Match[str]) -> str:
    digits = sum(c.isdigit() for c in found[0])
    return " <number> " if digits >= _LONG else f" #{digits} "
