"""Imports go one way, and a light command stays light; read from the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sparring

ROOT = Path(sparring.__file__).parent
# Lower numbers know nothing of higher ones.
LAYERS = {"core": 0, "domains": 1, "attack": 2, "mitigate": 3, "train": 4, "measure": 5, "report": 6}
TOP = 7  # files beside the folders: configuration and command line
CORE_ALONE = ("attack.gradient", "attack.query", "train.plain", "train.minimax", "train.parts")
HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "sqlalchemy", "transformers", "jinja2", "fastapi")
FILES = sorted(ROOT.rglob("*.py"))
# `import sparring` offers names of all layers, and loads none of them before they are asked for.
FACADE = ROOT / "__init__.py"


def imports(path: Path) -> set[str]:
    """Dotted names below `sparring` that a file imports, wherever in it, `TYPE_CHECKING` blocks too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if _is_module(name) else str(node.module) for name in names}
    return {name.removeprefix("sparring.") for name in found if name.startswith("sparring.")}


def _is_module(name: str) -> bool:
    path = ROOT.parent / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer(name: str) -> int:
    return LAYERS.get(name.partition(".")[0], TOP)


MODULES = {dotted(path): imports(path) for path in FILES if path != FACADE}


def breaches(wrong) -> list[str]:
    """Every import for which `wrong(importer, imported)` holds, in words."""
    return [f"{here} imports {name}" for here, names in MODULES.items() for name in sorted(names) if wrong(here, name)]


def test_imports_only_go_down():
    assert breaches(lambda here, name: layer(name) > layer(here)) == []


def test_domains_do_not_import_each_other():
    def sideways(here, name):
        parts, other = here.split("."), name.split(".")
        return parts[0] == other[0] == "domains" and parts[1:2] != other[1:2]

    assert breaches(sideways) == []


def test_gradient_and_query_attacks_and_the_trainers_import_core_alone():
    def strays(here, name):
        own = ("attack.gradient", "attack.query") if here.startswith("attack") else CORE_ALONE
        return here.startswith(CORE_ALONE) and not name.startswith(("core.", *own))

    assert breaches(strays) == []


def test_nothing_right_of_the_judge_knows_a_domain():
    assert breaches(lambda here, name: here.startswith(("measure", "report")) and name.startswith("domains")) == []


def test_no_two_folders_import_each_other():
    edges: dict[str, set[str]] = {}
    for path in FILES:
        here = _folder(dotted(path))
        edges.setdefault(here, set()).update(_folder(name) for name in imports(path) if path != FACADE)
    for start, direct in edges.items():
        reached, frontier = set(), direct - {start}
        while frontier:
            reached |= frontier
            frontier = set().union(*(edges.get(one, set()) for one in frontier)) - reached
        assert start not in reached, f"{start} and {sorted(reached & set(edges))} import each other in a circle"


def _folder(name: str) -> str:
    """The folder that a module lies in; the files at the top are one each, for they have no folder of their own."""
    path = ROOT / Path(*name.split("."))
    return name if path.is_dir() or "." not in name else name.rpartition(".")[0]


def test_the_walk_sees_a_breach(tmp_path):
    stray = tmp_path / "stray.py"
    stray.write_text("def f():\n    from sparring.measure.campaign import measure\n    import sparring.report.html\n")
    assert imports(stray) == {"measure.campaign", "report.html"}


@pytest.mark.parametrize(
    "code",
    [
        "import sparring",
        "import sparring; dir(sparring)",
        "import sparring.cli",
        "import runpy, sys; sys.argv = ['sparring', '--help']\n"
        "try: runpy.run_module('sparring', run_name='__main__')\nexcept SystemExit: pass",
        "import runpy, sys; sys.argv = ['sparring', 'run', '--help']\n"
        "try: runpy.run_module('sparring', run_name='__main__')\nexcept SystemExit: pass",
    ],
)
def test_light_commands_load_nothing_heavy(code):
    told = f"{code}\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
