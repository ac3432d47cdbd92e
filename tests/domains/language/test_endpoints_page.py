"""The Python of the page on endpoints and functions runs as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "endpoints.md"


def test_every_block_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "endpoints.md", "exec"), names)
    assert len(blocks) == 3
    assert "you asked: What is the capital of France?" in capsys.readouterr().out
    assert (tmp_path / "replies.db").is_file()
