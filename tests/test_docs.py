"""Every command in the page on the command line runs, in the page's order."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from sparring.cli import app
from sparring.config import Recipe, shipped

DOCS = Path(__file__).parent.parent / "docs"


def commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def test_every_command_of_the_page_runs_on_a_shrunk_starter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in commands("command-line.md"):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{words}: {result.output}"
        if words == ["init"]:
            _shrink(tmp_path)


def _shrink(folder: Path) -> None:
    """The starter with less data, so that it takes seconds; what is typed stays the same."""
    target, recipe = folder / "target.py", folder / "sparring.yaml"
    target.write_text(target.read_text().replace("[:1200]", "[:600]").replace("1200:1500", "1200:1224"))
    recipe.write_text(recipe.read_text().replace("suite: standard", "suite: null").replace("0.8}", "0.1}"))


def test_the_page_on_recipes_names_every_key_and_every_recipe():
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert [key for key in Recipe.model_fields if key != "base" and f"`{key}" not in text] == []
    assert [name for name in shipped() if f"`{name}`" not in text] == []
