"""Every command in the page on the command line runs, in the page's order."""

import ast
import importlib
import inspect
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


def test_every_call_in_the_pages_python_fits_what_it_calls():
    """By name and signature: most of these need a language model, so they cannot all be run here."""
    checked = 0
    for page in sorted([DOCS.parent / "README.md", *DOCS.rglob("*.md")]):
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            tree = ast.parse(block)
            known: dict[str, object] = {}
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sparring"):
                    for one in node.names:
                        known[one.asname or one.name] = getattr(importlib.import_module(node.module), one.name)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
                    named = {word.arg: None for word in node.keywords if word.arg}
                    try:
                        inspect.signature(known[node.func.id]).bind_partial(*[None] * len(node.args), **named)
                    except TypeError as error:
                        raise AssertionError(f"{page.name}: {ast.unparse(node)}: {error}") from error
                    checked += 1
    assert checked > 15
