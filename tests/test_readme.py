"""The README's Python runs as it stands."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_first_python_block_runs_and_prints_a_comparison(tmp_path, monkeypatch):
    found = re.search(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if found is None:
        pytest.skip("the README has no Python block yet")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found[1], "README.md", "exec"), {"__name__": "readme"})
    assert "before" in printed.getvalue() and "after" in printed.getvalue()
