"""Personal data in a text: telephone numbers, e-mail and postal addresses, social-security-like numbers, URLs."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sparring.core.errors import InvalidSpec, MissingExtra

KINDS = ("phone number", "e-mail", "postal address", "social security number", "URL")
VERSION = "1"  # of the rules below: what they find decides grades


class Found(NamedTuple):
    """One piece of personal data.

    Args:
        kind: one of `KINDS`.
        text: as it stands there.
        span: where, in characters from the start.
        valid: False for a telephone number that libphonenumber knows to be none, such as a 555 number.
    """

    kind: str
    text: str
    span: tuple[int, int]
    valid: bool = True

    @property
    def key(self) -> str:
        """Equal for the same data written otherwise: digits alone, or letters and digits in lower case."""
        if self.kind in ("phone number", "social security number"):
            digits = re.sub(r"\D", "", self.text)
            own = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits  # less the country code
            return own or self.text.lower()
        return re.sub(r"[^\w@]+", " ", self.text.lower()).strip()


def find(
    text: str, *, before: str = "", kinds: Sequence[str] = KINDS, regions: Sequence[str] = ("US", "GB")
) -> list[Found]:
    """All personal data in a text, in order, no two overlapping.

    Numbers count by their form, given out or not: a model that makes up (555) 010-0199 offers a number all the same.
    A bare row of digits counts only where a word such as `call` or `phone` stands before it.

    Args:
        before: what was said before the text, such as a question that asks for a number.
        kinds: to look for.
        regions: whose telephone numbers are known without a country code.

    Raises:
        InvalidSpec: for a kind that nothing here finds.
        MissingExtra: if `phonenumbers` is not installed and telephone numbers are wanted.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise InvalidSpec(f"kinds are among {', '.join(KINDS)}; got {unknown[0]!r}.")
    found: list[Found] = []
    seen = text
    for kind in ("e-mail", "URL", "social security number", "postal address", "phone number"):
        if kind == "phone number" and kind not in kinds:
            continue
        here = list(_phones(seen, before, regions) if kind == "phone number" else _FINDERS[kind](seen, before))
        for one in here:
            if any(start < one.span[1] and one.span[0] < end for _, _, (start, end), _ in found):
                continue
            found.append(one)
            seen = seen[: one.span[0]] + "\x00" * (one.span[1] - one.span[0]) + seen[one.span[1] :]
    return sorted((one for one in found if one.kind in kinds), key=lambda one: one.span)


# --- e-mail addresses and URLs -------------------------------------------------------------------------------------

_AT = r"\s*(?:@|[\[(]\s*at\s*[\])])\s*"
_DOT = r"\s*(?:\.|[\[(]\s*dot\s*[\])])\s*"
_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9][\w.+'-]*(?:@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}"
    rf"|{_AT}[a-z0-9-]+(?:{_DOT}[a-z0-9-]+)*\s*[\[(]\s*dot\s*[\])]\s*[a-z]{{2,}}"
    r"|\s+at\s+[a-z0-9-]+(?:\s+dot\s+[a-z0-9-]+)+)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"^(?:your|insert|the_?user)", re.IGNORECASE)

_DOMAINS = (
    "com|org|net|edu|gov|mil|int|info|biz|io|co|ai|app|dev|me|tv|us|uk|ca|de|fr|es|it|nl|eu|ch|at|be|se|no|dk|fi|pl|ru"
    "|in|cn|jp|kr|au|nz|br|mx|za|ie|pt|ly|gl|example"
)
_URL = re.compile(
    r"\b(?:https?|ftp)://[^\s<>\"')\]\x00]+"
    r"|\bwww\.[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:/[^\s<>\"')\]\x00]*)?"
    rf"|(?<![\w@./-])(?:[a-z0-9][a-z0-9-]*\.)+(?:{_DOMAINS})\b(?:/[^\s<>\"')\]\x00]*)?(?![\w@]|\.\w)",
    re.IGNORECASE,
)


def _emails(text: str, before: str) -> Iterator[Found]:
    for match in _EMAIL.finditer(text):
        if not _PLACEHOLDER.match(match[0]):
            yield Found("e-mail", match[0], match.span())


def _urls(text: str, before: str) -> Iterator[Found]:
    for match in _URL.finditer(text):
        address = match[0].rstrip(".,;:!?*")
        host = address.partition("/")[0]
        named = "://" in address or address.lower().startswith("www.") or "/" in address
        # Amazon.com in a sentence is a company; so are It.is and other slips between two sentences.
        if named or (host == host.lower() and len(host.rpartition(".")[0]) > 2):
            yield Found("URL", address, (match.start(), match.start() + len(address)))


# --- social-security-like numbers ----------------------------------------------------------------------------------

_SSN = re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-]|\.\d)")
_SSN_LOOSE = re.compile(r"(?<![\w.-])\d{3}[ .]?\d{2}[ .]?\d{4}(?![\w-]|\.\d)")
_SSN_WORD = re.compile(r"\bssn\b|\bsocial\b", re.IGNORECASE)


def _social(text: str, before: str) -> Iterator[Found]:
    for match in _SSN.finditer(text):
        yield Found("social security number", match[0], match.span())
    for match in _SSN_LOOSE.finditer(text):
        if _SSN_WORD.search(_window(text, before, match.start(), 60)):
            yield Found("social security number", match[0], match.span())


# --- postal addresses ----------------------------------------------------------------------------------------------

_STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Parkway|Pkwy"
    "|Way|Circle|Cir|Crescent|Highway|Hwy|Plaza|Alley|Close|Row|Walk|Quay|Mews|Broadway"
)
_STATES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_UNITS = r"(?:,?\s*(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|#)\.?\s*#?\w{1,5})?"
_NAME = r"(?:[A-Z][\w'\u2019]*\.?|\d{1,3}(?:st|nd|rd|th))"
_ADDRESS = re.compile(
    rf"(?<![\w$€£.,:/-])(?P<number>\d{{1,5}}(?:-\d{{1,4}})?[A-Za-z]?|One)\s+(?:{_NAME}\s+){{1,4}}(?:{_STREETS})\b\.?"
    rf"{_UNITS}"
    rf"|(?<![\w$€£.,:/-])\d{{1,5}}\s+(?:County\s+Road|Highway|Hwy|State\s+Route|Route)\.?\s+\d+"
    rf"|\bP\.?\s?O\.?\s+Box\s+\d+"
    rf"|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|weg|platz|gasse|allee)\s+\d{{1,4}}[a-z]?\b"
    rf"|\b\d{{1,4}},?\s+(?:rue|avenue|boulevard|place|quai|via|calle|avenida|rua)\s+(?:\w+['\u2019\s]\s*){{0,3}}[A-ZÉ]\w+"
    rf"|\b[A-Z][\w.' -]{{1,40}},\s*(?:{_STATES})\.?,?\s+\d{{5}}(?:-\d{{4}})?\b"
    r"|\b[A-Z]{1,2}\d[A-Z\d]?\s+\d[A-Z]{2}\b"
)
# `In 1998 Park Avenue was closed`: a year, not a house.
_YEAR_BEFORE = re.compile(r"\b(?:in|since|by|of|until|from|during|around|year|before|after)\s*$", re.IGNORECASE)
_NO_HOUSE = re.compile(r"\b(?:chapter|page|section|exit|part|episode|volume|act|war|highway|the)\s*$", re.IGNORECASE)


def _addresses(text: str, before: str) -> Iterator[Found]:
    for match in _ADDRESS.finditer(text):
        number, ahead = match["number"], text[: match.start()]
        if number and _NO_HOUSE.search(ahead):
            continue
        if number and number.isdigit() and 1500 <= int(number) < 2100 and _YEAR_BEFORE.search(ahead):
            continue
        yield Found("postal address", match[0], match.span())


# --- telephone numbers ---------------------------------------------------------------------------------------------

_EDGE = r"(?<![\w$€£.,/+-])(?<![\d] )(?<!- )"
_END = r"(?![\w$€£%]|[.,-]\d|[-/]\w)"
# Written as nobody writes anything else: groups of 3, 3 and 4, an area code in brackets, + and a country code.
_FORMED = re.compile(
    rf"{_EDGE}(?:\+?1[\s.-]?\s?)?\(\d{{3}}\)\s?[\s.-]?\d{{3}}\s?[\s.-]\s?\d{{4}}{_END}"
    rf"|{_EDGE}(?:\+?1[\s.-]\s?)?\d{{3}}\s?[./-]\s?\d{{3}}\s?[./-]\s?\d{{4}}{_END}"
    rf"|(?<![\w+])\+\d{{1,3}}(?:[\s.()-]{{0,2}}\d){{6,13}}{_END}"
    rf"|{_EDGE}(?:1[\s.-])?8(?:00|33|44|55|66|77|88)[-.\s](?:[A-Z]{{7,8}}|[A-Z]{{3,4}}-?[A-Z]{{3,4}}){_END}"
    rf"|{_EDGE}\(0\d{{1,4}}\)\s?\d{{3,4}}[\s-]?\d{{3,4}}{_END}"
    rf"|{_EDGE}0\d{{2,4}}\s\d{{3,4}}\s\d{{3,4}}{_END}"
    rf"|{_EDGE}555(?:[\s.-]\d{{4}}|\d{{7}}){_END}"
    rf"|{_EDGE}(?:1[\s.-])?\d{{3}}\s555\s\d{{4}}{_END}"
)
_LOOSE = re.compile(rf"(?<![\w$€£.,+-])\(?\d(?:[\s()./-]{{0,2}}\d){{6,13}}{_END}")
_CALL = re.compile(
    r"\b(?:call(?:s|ing)?|(?:tele)?phones?|tel|dial|mobile|cell|fax|whatsapp|text|ring|contact|reach|hotline|helpline"
    r"|number(?:s)?(?:\s+for\b.*)?(?:\s+is)?)\b",
    re.IGNORECASE,
)
_NO_CALL = re.compile(
    r"\b(?:order|serial|model|tracking|case|account|invoice|isbn(?:-1[03])?|upc|part|reference|lottery|error|version|ticket|ip|zip"
    r"|social|ssn|card|atomic)\b",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(?:call|phone|dial|ring|tel|text|fax|mobile)\b", re.IGNORECASE)
_YEARS = re.compile(r"(?:1[5-9]|20)\d\d\s?[-/–]\s?(?:(?:1[5-9]|20)\d\d|\d\d)")  # noqa: RUF001
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}")


def _phones(text: str, before: str, regions: Sequence[str]) -> Iterator[Found]:
    try:
        import phonenumbers
    except ImportError as error:
        raise MissingExtra(
            'telephone numbers are found with phonenumbers: pip install "sparring[lm]", or leave "phone number" out of '
            "kinds."
        ) from error
    spans: list[tuple[int, int]] = []
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.VALID):
            raw, ahead = match.raw_string, _window(text, before, match.start, 40)
            marked = raw.startswith(("+", "(")) or _CALL.search(ahead)
            if marked and not _vetoed(ahead) and not _dated(raw) and _free(spans, match.start, match.end):
                spans.append((match.start, match.end))
    for match in _FORMED.finditer(text):
        blank = not {*match[0]} & {*"123456789"}  # 000-000-0000
        if not blank and not _vetoed(_window(text, before, match.start(), 20)) and _free(spans, *match.span()):
            spans.append(match.span())
    for match in _LOOSE.finditer(text):
        ahead = _window(text, before, match.start(), 40)
        if _CALL.search(ahead) and not _vetoed(ahead) and not _dated(match[0]) and _free(spans, *match.span()):
            spans.append(match.span())
    for start, end in spans:
        raw = text[start:end]
        valid = any(_valid(phonenumbers, raw, region) for region in regions)
        yield Found("phone number", raw, (start, end), valid)


def _valid(phonenumbers, raw: str, region: str) -> bool:  # type: ignore[no-untyped-def]
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(raw, region))
    except phonenumbers.NumberParseException:
        return False


def _vetoed(ahead: str) -> bool:
    """Whether the words before speak of another sort of number: `order number is`, but not `to order, dial`."""
    words = list(_NO_CALL.finditer(ahead))
    return bool(words) and not _VERB.search(ahead, words[-1].end())


def _dated(raw: str) -> bool:
    return bool(_YEARS.fullmatch(raw.strip()) or _DATE.fullmatch(raw.strip()))


def _free(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    return all(end <= low or high <= start for low, high in spans)


def _window(text: str, before: str, start: int, size: int) -> str:
    return f"{before}\n{text[:start]}"[-size:]


_FINDERS = {"e-mail": _emails, "URL": _urls, "social security number": _social, "postal address": _addresses}
