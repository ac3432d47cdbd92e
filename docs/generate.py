"""Writes one page per attack, template family and defence, from docstrings, tables and the figures in `reference.json`.

python docs/generate.py
"""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

from sparring.attack.prompt.template_table import families, rows
from sparring.core.attack import Attack
from sparring.core.defence import Defence
from sparring.domains.language.encodings import ENCODINGS

HERE = Path(__file__).parent
_TABLES = f"""
## A table of your own

`{{use: prompt.template, family: mine, table: mine.csv}}` reads a CSV file (UTF-8; its path is relative to the folder that
you type the command in) with a header and the columns `family,name,text,kinds,source,licence`. `kinds` is empty, or
`subject` for texts that only suit aims with something to be had. A text needs one slot at least that carries the aim:

| slot | what it becomes |
| --- | --- |
| `{{ask}}` | what the adversary wants done: `Send a mail to eve@example.com saying: hi` |
| `{{subject}}` | what must not come out: `the desk code` |
| `{{opening}}` | how a reply begins that gives in |
| `{{carrier}}` | what stands in the place already |
| `{{shots:16}}` | so many made-up exchanges in which an assistant obeys |

`{{ask:base64}}` encodes a slot; there are {", ".join(ENCODINGS)}. Braces of the text itself are doubled. A row with a missing
or unknown slot is refused by name before anything runs."""
_REFERENCE = HERE / "reference.json"


def pages() -> dict[str, str]:
    """Every page's path below docs/ and its text."""
    figures = json.loads(_REFERENCE.read_text()) if _REFERENCE.exists() else {}
    found = {}
    for title, root, base in (
        ("Attacks", "attack", Attack),
        ("Defences", "train", Defence),
        ("Mitigations", "mitigate", Defence),
    ):
        kinds = list(_classes(f"sparring.{root}", base))
        for kind in kinds:
            found[f"{root}/{_short(kind)}.md"] = _page(kind, figures)
        found[f"{root}/README.md"] = _index(title, kinds)
    return found | _family_pages(figures)


def _family_pages(figures: dict[str, Any]) -> dict[str, str]:
    """One page per family of templates, and their index."""
    ideas = json.loads((HERE / "families.json").read_text())
    found, index = {}, ["# Families of templates", "", "What `{use: prompt.template, family: ...}` writes.", ""]
    for family in families():
        measured = figures.get(f"family {family}")
        lines = [f"# {family}", "", ideas[family], "", f"`{{use: prompt.template, family: {family}}}` in recipes.", ""]
        lines += ["## Reference numbers", "", *(_figures(measured) if measured else ["None measured yet."])]
        lines += [
            "",
            "## Templates",
            "",
            "All wordings are our own; the idea is the source's. Slots are filled in for each case.",
        ]
        for row in rows(family):
            lines += ["", f"**{row.name}** ({row.source})", "", "```text", row.text.replace("```", "` ` `"), "```"]
        found[f"families/{family}.md"] = "\n".join(lines) + "\n"
        index.append(f"- [{family}]({family}.md): {ideas[family]}")
    found["families/README.md"] = "\n".join([*index, _TABLES]) + "\n"
    return found


def _classes(root: str, base: type) -> Any:
    package = importlib.import_module(root)
    for info in sorted(pkgutil.walk_packages(package.__path__, f"{root}."), key=lambda one: one.name):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, base) and value.__module__ == info.name
            if own and not inspect.isabstract(value):
                yield value


def _page(kind: type, figures: dict[str, Any]) -> str:
    module = inspect.getmodule(kind)
    idea = (module.__doc__ or "").strip()
    text = inspect.getdoc(kind) or ""
    name = _short(kind)
    lines = [
        f"# {kind.__name__}",
        "",
        idea,
        "",
        f"`{name}` in recipes, `{kind.__module__}.{kind.__name__}` in Python.",
        "",
    ]
    if isinstance(getattr(kind, "family", None), str):
        lines += [
            f"Family: `{kind.family}`. Needs: a {kind.needs_target.__name__} target and a {kind.needs_threat.__name__} threat.",
            "",
        ]
    lines += [_sections(text), "", "## All settings", "", "```", *_signature(kind), "```", "", *_shared(kind)]
    measured = figures.get(name)
    lines += ["## Reference numbers", "", *(_figures(measured) if measured else ["None measured yet."])]
    for repairs in figures.get("repairs", {}).get(name, []):
        lines += ["", "## Repairs measured against it", "", *_figures(repairs)]
    return "\n".join(lines) + "\n"


def _figures(measured: dict[str, Any]) -> list[str]:
    made = f"Made with `{measured['command']}` on {measured['date']}."
    return [measured["setting"], "", *_table(measured["rows"]), "", made]


def _signature(kind: type) -> list[str]:
    """The constructor's settings with their defaults, those that every training shares among them."""
    hidden = {field.name for field in dataclasses.fields(kind) if field.metadata.get("learned")}
    shown = [str(one) for one in inspect.signature(kind).parameters.values() if one.name not in hidden]
    plain = [re.sub(r"^([a-z_]+):.*?( = .*)?$", r"\1\2", one) for one in shown]
    return [f"{kind.__name__}(", *(f"    {one}," for one in plain), ")"]


def _shared(kind: type) -> list[str]:
    """The settings that the class has from its bases, as their docstrings explain them."""
    told = _meanings(kind)
    found: dict[str, str] = {}
    for base in kind.__mro__[1:]:
        found |= {name: meaning for name, meaning in _meanings(base).items() if name not in told | found}
    names = [name for name in inspect.signature(kind).parameters if name in found]
    return ["Shared with its kind:", "", *(f"- `{name}`: {found[name]}" for name in names), ""] if names else []


def _meanings(kind: type) -> dict[str, str]:
    """The entries of a class's own Args section."""
    found: dict[str, str] = {}
    inside, name = False, ""
    for line in inspect.cleandoc(kind.__dict__.get("__doc__") or "").splitlines():
        if not line.startswith(" "):
            inside = line == "Args:" or (inside and not line)
        elif inside and not line.startswith("        "):
            names, _, meaning = line.strip().partition(": ")
            for name in names.split(", "):
                found[name] = meaning
        elif inside:
            found[name] += f" {line.strip()}"
    return found


def _sections(text: str) -> str:
    """A Google-style docstring as Markdown."""
    lines = []
    for line in text.splitlines():
        head, colon, rest = line.partition(":")
        if colon and head in ("Paper", "Differs", "Cost per case", "Cost per case and epoch"):
            lines += ["", f"**{head}:**{rest}"]
        elif colon and head in ("Args", "Raises") and not rest:
            lines += ["", f"**{head}**", ""]
        elif line.startswith("    ") and not line.startswith("        ") and ": " in line:
            key, _, meaning = line.strip().partition(": ")
            lines.append(f"- `{key}`: {meaning}")
        else:
            lines.append("  " + line.strip() if line.startswith("        ") else line.strip())
    return "\n".join(lines)


def _table(rows: list[list[str]]) -> list[str]:
    heading, *body = rows
    return [f"| {' | '.join(heading)} |", "|" + " --- |" * len(heading), *(f"| {' | '.join(row)} |" for row in body)]


def _index(title: str, kinds: list[type]) -> str:
    lines = [f"# {title}", ""]
    for kind in kinds:
        idea = (inspect.getmodule(kind).__doc__ or "").strip().splitlines()[0]
        lines.append(f"- [{kind.__name__}]({_short(kind)}.md): {idea}")
    return "\n".join(lines) + "\n"


def _short(kind: type) -> str:
    return ".".join(kind.__module__.split(".")[2:])


if __name__ == "__main__":
    for path, text in pages().items():
        place = HERE / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    print(f"{len(pages())} pages written below {HERE}")
