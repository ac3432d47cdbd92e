"""The catalogue: what can be named in a recipe, found by walking the folders."""

import importlib
import inspect
import pkgutil
from dataclasses import MISSING, dataclass, fields
from typing import Any

import yaml

from sparring.config import SHIPPED, shipped
from sparring.core.attack import Attack
from sparring.core.defence import Defence
from sparring.core.errors import InvalidSpec, MissingExtra
from sparring.core.target import Differentiable, Labelled, Scored, Target, Trainable
from sparring.domains.image.target import BlackBox, Classifier, LabelBox
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import Chat, OpenChat

KINDS = ("attacks", "defences", "harms", "suites", "recipes")
TARGETS: dict[str, type] = {
    "classifier": Classifier,
    "blackbox": BlackBox,
    "labelbox": LabelBox,
    "target": Target,
    "labelled": Labelled,
    "scored": Scored,
    "differentiable": Differentiable,
    "trainable": Trainable,
    "chat": Chat,
    "openchat": OpenChat,
}
_FOLDERS = {
    "attacks": ("sparring.attack",),
    "defences": ("sparring.train", "sparring.mitigate"),
    "harms": ("sparring.domains.language.harms",),
}
_ROLES: dict[str, type] = {"attacks": Attack, "defences": Defence, "harms": Harm}


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    Args:
        name: what a recipe calls it.
        family: of the attack, or what the defence may learn from.
        needs: target and threat, and the settings without a default.
        sentence: the first of its module.
    """

    name: str
    family: str
    needs: str
    sentence: str


def entries(kind: str, target: str | None = None) -> list[Entry]:
    """Everything of a kind, by name; for attacks, only what works on a kind of target.

    Raises:
        InvalidSpec: for an unknown kind or target.
    """
    if target is not None and target.lower() not in TARGETS:
        raise InvalidSpec(f"--target must be one of {', '.join(TARGETS)}; got {target!r}.")
    if kind == "suites":
        from sparring.attack import suite

        return [Entry(one.__name__, "", "", _first(one)) for one in (suite.standard, suite.autoattack)]
    if kind == "recipes":
        return [Entry(name, "", "", _comment(name)) for name in shipped()]
    if kind not in _FOLDERS:
        raise InvalidSpec(f"list knows {', '.join(KINDS)}; got {kind!r}.")
    given = TARGETS[target.lower()] if target else None
    found = [_entry(kind, module, one) for module, one in _classes(kind) if given is None or _fits(one, given)]
    return sorted(found, key=lambda entry: entry.name)


def _classes(kind: str) -> list[tuple[Any, type]]:
    found = []
    for folder in _FOLDERS[kind]:
        try:
            package = importlib.import_module(folder)
        except ModuleNotFoundError:
            continue
        for info in pkgutil.walk_packages(package.__path__, folder + "."):
            try:
                module = importlib.import_module(info.name)
            except (MissingExtra, ModuleNotFoundError):
                continue  # its extra is not installed, so it cannot be named either
            found += [
                (module, one)
                for one in vars(module).values()
                if isinstance(one, type)
                and issubclass(one, _ROLES[kind])
                and one.__module__ == info.name
                and not inspect.isabstract(one)
            ]
    return found


def _fits(kind: type, given: type) -> bool:
    return issubclass(given, _needs(kind)[0] if issubclass(kind, Attack) else kind.needs_target)


def _needs(kind: type[Attack[Any, Any, Any]]) -> tuple[type, type]:
    """What an attack needs of target and threat; a composed attack needs what its parts need by default."""
    needs = kind.needs_target, kind.needs_threat
    if not all(isinstance(need, type) for need in needs):
        default = kind()
        needs = default.needs_target, default.needs_threat
    return needs


def _entry(kind: str, module: Any, one: type) -> Entry:
    from sparring.core.spec import main_class

    short = module.__name__
    for folder in _FOLDERS[kind]:
        short = short.removeprefix(folder + ".")
    name = short if main_class(module) is one else f"{short}.{one.__name__}"
    required = [f.name for f in fields(one) if f.default is MISSING and f.default_factory is MISSING]  # type: ignore[arg-type]
    needs, family = required, ""
    if issubclass(one, Attack):
        needs = [*(need.__name__ for need in _needs(one)), *required]
        family = one.family if isinstance(one.family, str) else one().family
    elif issubclass(one, Defence):
        needs = [one.needs_target.__name__, *required]
    return Entry(name, family, ", ".join(needs), _first(module) if main_class(module) is one else _first(one))


def _first(thing: Any) -> str:
    """The first sentence of a docstring, without its full stop."""
    paragraph = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _comment(name: str) -> str:
    """The comment that a recipe begins with."""
    lines = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    told = []
    for line in lines:
        if not line.startswith("#"):
            break
        told.append(line.lstrip("# "))
    text = " ".join(told) or str(yaml.safe_load("\n".join(lines)).get("name"))
    return text.partition(". ")[0].removesuffix(".")
