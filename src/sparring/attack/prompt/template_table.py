"""The table of templates: what injections and jailbreaks look like, by family, with slots for what the adversary wants."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import StringIO
from pathlib import Path

from sparring.attack.prompt.slots import fault, filled_in, slots
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.aim import Aim

COLUMNS = ("family", "name", "text", "kinds", "source", "licence")


@dataclass(frozen=True)
class Row:
    """One template.

    Args:
        family: such as `ignore-previous`; hold-out is by family.
        name: unique within the family.
        text: with slots (see `slots`).
        kinds: `subject` for a text that works on aims with a subject alone; empty for all.
        source: paper or page that the idea comes from.
        licence: of the wording.
    """

    family: str
    name: str
    text: str
    kinds: str
    source: str
    licence: str

    @property
    def key(self) -> str:
        """What no other row of the table is called: `ignore-previous/stop`."""
        return f"{self.family}/{self.name}"


def read_table(path: str = "") -> tuple[Row, ...]:
    """All rows of a table in CSV (UTF-8, with a header); without a path, of the one that comes with the package.

    Raises:
        InvalidSpec: for a file that cannot be read, other columns, or a row that makes no sense; it names the row.
    """
    if not path:
        return _shipped()
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"cannot read the table of templates {path}: {error}. Name a CSV file in UTF-8.") from error
    return _parsed(text, path)


def families(table: str = "") -> tuple[str, ...]:
    """The families of a table, in its order."""
    return tuple(dict.fromkeys(row.family for row in read_table(table)))


def rows(family: str, table: str = "") -> tuple[Row, ...]:
    """The templates of one family, in the table's order.

    Raises:
        InvalidSpec: if the table has no such family.
    """
    found = tuple(row for row in read_table(table) if row.family == family)
    if not found:
        raise InvalidSpec(f"no template is of the family {family!r}; there is {', '.join(families(table))}.")
    return found


def suits(row: Row, aim: Aim) -> bool:
    """Whether the aim has what the template needs."""
    return not _missing(row, aim)


def filled(row: Row, aim: Aim, carrier: str, seed: Seed | int) -> str:
    """What the adversary writes: the template with the aim in its slots.

    Args:
        carrier: what stands in the aim's place before.
        seed: of the shots; nothing else depends on it.

    Raises:
        InvalidSpec: if the aim lacks what the template needs (see `suits`).
    """
    missing = _missing(row, aim)
    if missing:
        raise InvalidSpec(f"the template {row.key} needs an aim with {' and '.join(missing)}; {aim.ask!r} has none.")
    return filled_in(row.text, aim, carrier, Seed.of(seed))


def _missing(row: Row, aim: Aim) -> list[str]:
    needed = {*slots(row.text), row.kinds}
    return [name for name in ("subject", "opening") if name in needed and not getattr(aim, name)]


@lru_cache
def _shipped() -> tuple[Row, ...]:
    place = resources.files("sparring.attack.prompt").joinpath("templates.csv")
    return _parsed(place.read_text(encoding="utf-8"), "templates.csv")


def _parsed(text: str, where: str) -> tuple[Row, ...]:
    lines = csv.DictReader(StringIO(text, newline=""), restval="", strict=True)
    found: dict[str, Row] = {}
    try:
        header = tuple(lines.fieldnames or ())
        if header != COLUMNS:
            raise InvalidSpec(f"{where} needs the columns {', '.join(COLUMNS)}; got {', '.join(header) or 'none'}.")
        for line in lines:
            if None in line:
                raise InvalidSpec(f"{where}, line {lines.line_num}: a row has {len(COLUMNS)} cells; this one has more.")
            row = Row(**line)
            wrong = _fault(row) or ("it stands there twice" if row.key in found else "")
            if wrong:
                raise InvalidSpec(f"{where}, row {row.key}: {wrong}.")
            found[row.key] = row
    except csv.Error as error:
        raise InvalidSpec(
            f"{where}, after line {lines.line_num}: {error}. Put a text with commas in quotes."
        ) from error
    if not found:
        raise InvalidSpec(f"{where} holds no template.")
    return tuple(found.values())


def _fault(row: Row) -> str:
    """What is wrong with a row, in words; empty if nothing is."""
    empty = [name for name in ("family", "name", "source", "licence") if not getattr(row, name).strip()]
    if empty:
        return f"{' and '.join(empty)} must not be empty"
    if row.kinds not in ("", "subject"):
        return f"kinds is subject or empty; got {row.kinds!r}"
    wrong = fault(row.text)
    if not wrong and "subject" in slots(row.text) and not row.kinds:
        return "kinds must be subject where the text has the slot {subject}"
    return wrong
