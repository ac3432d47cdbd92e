"""Scorecards as JSON: a run's folder keeps one, and reports are rebuilt from it."""

import json
import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from sparring.core.errors import InvalidSpec
from sparring.core.flag import Flag
from sparring.core.judge import Datasheet
from sparring.core.panel import Panel
from sparring.core.target import Hardening
from sparring.core.vital import Reading
from sparring.measure.outcomes import from_letters, letters
from sparring.measure.scorecard import Bout, Exhibit, Scorecard

_PLAIN = ("target", "cases", "threat", "judge", "seed", "notes", "asked", "versions", "run")
# Of a bout: written only where there is any, like a card's vitals and groups.
_LATER = ("survey", "notes", "opinions", "adaptive", "scores")


def dumps(card: Scorecard) -> str:
    """Everything but the attempts; what a card does not have is left out."""
    data: dict[str, Any] = {name: getattr(card, name) for name in _PLAIN}
    data["ids"] = list(card.ids)
    data["lineage"] = [asdict(step) for step in card.lineage]
    data["flags"] = [asdict(flag) for flag in card.flags]
    data["exhibits"] = [asdict(exhibit) for exhibit in card.exhibits]
    data["bouts"] = [_plain_bout(bout) for bout in card.bouts]
    names = list(dict.fromkeys(card.groups))
    place = {name: number for number, name in enumerate(names)}
    later = {
        "groups": {"names": names, "of": [place[group] for group in card.groups]} if names else None,
        "vitals": [{**asdict(one), "passed": "".join("01"[p] for p in one.passed)} for one in card.vitals],
        "opinions": card.opinions,
        "datasheets": {harm: asdict(sheet) for harm, sheet in card.datasheets.items()},
        "taxonomy": card.taxonomy,
    }
    return json.dumps({"format": 1, **data, **{name: value for name, value in later.items() if value}}, indent=1)


def loads(text: str) -> Scorecard:
    """Reads what `dumps` wrote.

    Raises:
        InvalidSpec: if the text is not a scorecard.
    """
    try:
        data: Any = json.loads(text)
        groups = data.get("groups", {"names": [], "of": []})
        return Scorecard(
            **{name: data[name] for name in (*_PLAIN, "ids")},
            bouts=[_bout(bout) for bout in data["bouts"]],
            lineage=tuple(_step(step) for step in data["lineage"]),
            flags=[Flag(**flag) for flag in data["flags"]],
            exhibits=[exhibit_from(one) for one in data["exhibits"]],
            groups=[groups["names"][number] for number in groups["of"]],
            vitals=[reading_from(one) for one in data.get("vitals", ())],
            opinions=data.get("opinions", {}),
            datasheets={harm: Datasheet(**sheet) for harm, sheet in data.get("datasheets", {}).items()},
            taxonomy={harm: tuple(ids) for harm, ids in data.get("taxonomy", {}).items()},
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InvalidSpec(f"this is not a scorecard that `sparring measure` wrote ({error!r}).") from error


def exhibit_from(data: dict[str, Any]) -> Exhibit:
    """An exhibit from plain data."""
    return Exhibit(data["bout"], data["case"], tuple(Panel(**panel) for panel in data["panels"]))


def reading_from(data: dict[str, Any]) -> Reading:
    """A vital's reading from plain data; what passed may be a text of 0 and 1."""
    plain: dict[str, Any] = {**data, "passed": tuple(one in (True, "1") for one in data["passed"])}
    return Reading(**plain)


def _plain_bout(bout: Bout) -> dict[str, Any]:
    data = {field.name: getattr(bout, field.name) for field in fields(bout) if field.name != "clusters"}
    data["outcomes"] = letters(bout.outcomes)
    data["opinions"] = {name: letters(found) for name, found in bout.opinions.items()}
    data["scores"] = [] if bout.scores is None else [None if math.isnan(one) else one for one in bout.scores.tolist()]
    return {name: value for name, value in data.items() if value or name not in _LATER}


def _bout(data: dict[str, Any]) -> Bout:
    plain: dict[str, Any] = {**data, "outcomes": from_letters(data["outcomes"])}
    bout = Bout(**plain)
    bout.opinions = {name: from_letters(text) for name, text in data.get("opinions", {}).items()}
    bout.notes = tuple(bout.notes)
    bout.scores = np.array(data["scores"], float) if "scores" in data else None
    return bout


def _step(data: dict[str, Any]) -> Hardening:
    families, notes = tuple(data.pop("families")), tuple(data.pop("notes"))
    panels = tuple(Panel(**panel) for panel in data.pop("panels", ()))
    return Hardening(**data, families=families, notes=notes, panels=panels)
