"""How pages are made: templates that escape everything, and a few filters for hostile text and figures."""

from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import sparring.report
from sparring.measure.text import as_text
from sparring.report.page import FILTERS
from sparring.ui.campaign import wanted, where
from sparring.ui.hostile import line, visible

_FOLDERS = (Path(__file__).parent / "pages", Path(sparring.report.__file__).parent)

MARKS = {"broken": "broken", "held": "held", "undecided": "cannot tell", "error": "error"}


class Pages:
    """The templates of this folder, and the tables of the report.

    Args:
        form_token: goes into every form.
    """

    def __init__(self, form_token: str) -> None:
        self._form_token = form_token
        self.by = ""  # who judged last, so that nobody types a name twice
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDERS),
            autoescape=True,  # every name, text and reply is hostile
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        own = {"visible": visible, "line": line, "where": where, "wanted": wanted, "as_text": as_text}
        self._templates.filters |= FILTERS | own

    def render(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """One page. A lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
        shared = {
            "tried": None,
            "standing": None,
            "problem": "",
            "by": self.by,
            "marks": MARKS,
            "form_token": self._form_token,
        }
        text = self._templates.get_template(template).render({**shared, **values})
        return HTMLResponse(text.encode("utf-8", "replace"), status)
