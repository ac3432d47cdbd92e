"""What every page has in common: escaping, the policy that forbids the network, and how figures are written."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sparring.core.flag import Flag
from sparring.core.panel import Panel
from sparring.core.shown import shown
from sparring.measure.statistics import Rate
from sparring.measure.text import percent
from sparring.report.summary import LIMITS, amount, probability, tidy, trained


def write_page(template: str, path: Path | str, values: Mapping[str, Any]) -> Path:
    """Renders a template of this folder into one file that asks for no other; the old file stays until it is whole."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # every name, caption and reply is hostile
        finalize=_finished,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= FILTERS
    text = pages.get_template(template).render(limits=LIMITS, **values)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    partial.replace(path)
    return path


def drawn(svg: str) -> Markup:
    """A figure of `figures.py`, whose texts matplotlib has escaped."""
    return Markup(svg)


def held(rate: Rate) -> str:
    """`71.0 %`, or that nothing was decided."""
    return "nothing decided" if rate.held is None else f"{100 * rate.held:.1f} %"


def interval(rate: Rate) -> str:
    """`67.4 to 75.1`, or nothing."""
    return "" if rate.held is None else percent(rate)[1]


def beside(rate: Rate) -> list[str]:
    """What could not be decided, such as `3 undecided`."""
    return percent(rate)[2].split(" + ")[1:]


def thousands(number: int) -> str:
    """`12,000`."""
    return f"{number:,}"


def duration(seconds: float) -> str:
    """`0.4 s`, `74 s`, `12 min` or `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def signed(value: float) -> str:
    """Share in [-1, 1] as signed points: `+12.3`."""
    return f"{0.0 + round(100 * value, 1) + 0.0:+.1f}"


def moved(value: float, unit: str) -> str:
    """A change, signed: of a share in points, of anything else in its unit."""
    return signed(value) if unit == "share" else f"{value + 0.0:+.1f}"


def as_json(value: Any) -> str:
    """Settings as text."""
    return json.dumps(value, indent=1, sort_keys=True, default=str, ensure_ascii=False)


def picture(panel: Panel) -> Markup:
    """The panel's base64, or nothing where it is not base64."""
    return Markup(panel.png if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", panel.png) else "")


def doubt(flag: Flag) -> str:
    """What a check is called, in words."""
    return tidy(flag.name.replace("-", " ").replace("_", " "))


def bound(text: str) -> str:
    """No line break between a figure and its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


FILTERS = {
    "held": held, "interval": interval, "beside": beside, "tidy": tidy, "trained": trained, "thousands": thousands,
    "duration": duration, "signed": signed, "probability": probability, "as_json": as_json, "picture": picture,
    "doubt": doubt, "bound": bound, "amount": amount, "moved": moved,
}  # fmt: skip


def _finished(value: Any) -> Any:
    """What stands on the page; figures and pictures, which we drew, stay as they are."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
