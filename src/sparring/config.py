"""Recipes: YAML whose nodes are constructor calls, all of it checked before anything is loaded."""

import difflib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import nn

from sparring.attack.suite import Suite
from sparring.attack.suite import suite as named_suite
from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec, NotHeldOut, SparringError
from sparring.core.spec import build, check_spec, resolve
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.image.data import arrays
from sparring.domains.image.saving import load_target
from sparring.domains.image.target import Classifier
from sparring.measure.limits import Limits

if TYPE_CHECKING:
    from sparring.red_recipe import RedRecipe

SHIPPED = Path(__file__).parent / "recipes"
DATA = {
    "digits": "image.data.digits",
    "fashion-mnist": "image.data.fashion_mnist",
    "cifar10-jpeg": "image.data.cifar10_jpeg",
}
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?(/\d+(\.\d*)?)?")
FILE = re.compile(r"(?P<path>.+\.py):(?P<function>\w+)")
_MINE = Path("sparring-runs")

Node = dict[str, Any]


class Data(BaseModel):
    """Where the cases come from: constructor calls, `file.py:function`, `file.npz`, or a name such as `digits:test`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test: Node | str
    train: Node | str | None = None


class Recipe(BaseModel):
    """One recipe. A node `{use: gradient.pgd, steps: 40}` is a constructor call; `8/255` is a number.

    Args:
        name: of the run and its folder.
        seed: same seed, same result.
        data: `train` (only needed by defences) and `test`.
        target: a constructor call, or `path/to/file.py:function`, which returns a Target or a torch module.
        classes: number of logits, where the target is a torch module.
        weights: a file to load into the target, safetensors or a torch file of tensors alone.
        threat: what the adversary may do, for everything that does not bring its own.
        defences: name -> defence, or null to measure the target as it is; each starts from the same target.
        attacks: each may bring a `threat` of its own.
        suite: "standard", "autoattack" or a Suite; "standard" where there are no attacks either.
        held_out: families that no defence here may learn from.
        learn_from: cases that universal attacks learn from, `train` for the training set; else the first test cases.
        radii: points of a robustness curve.
        limits: defence -> what `sparring check` expects of its scorecard.
        batch: cases in flight at once.
        threads: of the CPU; small nets are fastest with 1. Null leaves torch's own choice.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    seed: int = 0
    data: Data
    target: Node | str
    classes: int | None = None
    weights: str | None = None
    threat: Node
    defences: dict[str, Node | None] = {}
    attacks: list[Node] = []
    suite: Node | str | None = None
    held_out: list[str] = []
    learn_from: Node | str | None = None
    radii: list[float] = []
    limits: dict[str, Limits] = {}
    batch: int = Field(default=256, ge=1)
    threads: int | None = Field(default=None, ge=1)
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    base: Path = Field(default=Path(), exclude=True, repr=False)

    @field_validator("defences")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        bad = [name for name in value if not re.fullmatch(r"[\w.-]+", name)]
        if bad:
            raise ValueError(f"a defence's name becomes a folder, so use letters, digits, - and _; got {bad[0]!r}")
        return value

    def model_post_init(self, context: Any) -> None:
        for node in (self.threat, self.data.test, self.data.train, self.learn_from, self.target, self.suite):
            check_spec(node if isinstance(node, dict) else None)
        for attack, threat in self._attack_nodes:
            check_spec(attack)
            check_spec(threat)
        for node in self._defence_nodes.values():
            check_spec(node)
        self._check_held_out()
        unknown = [name for name in self.limits if name not in (self.defences or {"as-is": None})]
        if unknown:
            raise InvalidSpec(
                f"limits names {unknown[0]!r}, which is no defence here.{_near(unknown[0], self.defences)}"
            )
        if any(self.defences.values()) and self.data.train is None:
            raise InvalidSpec("a defence needs cases to learn from: give the recipe data: {train: ...}.")
        for reference in (self.target, self.data.test, self.data.train, self.learn_from):
            if isinstance(reference, str) and (found := FILE.fullmatch(reference)):
                _existing(self.base / found["path"], reference)

    @cached_property
    def built_threat(self) -> ThreatModel:
        return _build(self.threat)

    @cached_property
    def built_defences(self) -> dict[str, Defence | None]:
        """Each defence under its name; None for the target as it is."""
        if not self.defences:
            return {"as-is": None}
        built: dict[str, Defence | None] = {}
        for name, node in self._defence_nodes.items():
            built[name] = None if node is None else _build(node)
            if not isinstance(built[name], Defence | None):
                raise InvalidSpec(
                    f"defence {name!r}: {_called(self.defences[name] or {})} is no defence. See: sparring list defences"
                )
        return built

    @cached_property
    def built_attacks(self) -> list[Any]:
        """Attacks, or (attack, threat) for those that bring a threat of their own."""
        built = []
        for node, threat in self._attack_nodes:
            attack = _build(node)
            if not isinstance(attack, Attack):
                raise InvalidSpec(f"{node.get('use', node)} is no attack. See: sparring list attacks")
            built.append(attack if threat is None else (attack, _build(threat)))
        return built

    @cached_property
    def built_suite(self) -> Suite | None:
        if self.suite is None:
            return None if self.attacks else named_suite("standard")
        return named_suite(self.suite) if isinstance(self.suite, str) else _build(self.suite)

    def open_target(self) -> Target:
        """The target, wrapped, on its device, with its weights."""
        target = open_target(self.target, self.classes, self.base)
        place = _device(self.device)
        module = getattr(target, "module", None)
        if isinstance(module, nn.Module):
            module.to(place)
        if self.weights is not None:
            target = load_target(target, self.base / self.weights)
        return target

    def open_test(self) -> Cases:
        return open_cases(self.data.test, self.base)

    def open_train(self) -> Cases:
        if self.data.train is None:
            raise InvalidSpec("there are no cases to learn from: name them with data: {train: ...}, or --data.")
        return open_cases(self.data.train, self.base)

    def open_learn_from(self, train: Cases | None) -> Cases | None:
        if self.learn_from == "train":
            return train if train is not None else self.open_train()
        return None if self.learn_from is None else open_cases(self.learn_from, self.base)

    def asked(self) -> Node:
        """What decides the result, as plain data; files by their full paths, so that it can be read anywhere."""
        data = self.model_dump(mode="json", exclude={"limits", "device", "threads", "base"})
        data["target"], data["learn_from"] = self._absolute(self.target), self._absolute(self.learn_from)
        data["data"] = {key: self._absolute(value) for key, value in data["data"].items()}
        data["weights"] = self.weights and str((self.base / self.weights).resolve())
        return json.loads(json.dumps(data))

    @cached_property
    def _attack_nodes(self) -> list[tuple[Node, Node | None]]:
        nodes = []
        for node in self.attacks:
            own = "threat" not in _parameters(node) and "threat" in node
            rest = {key: value for key, value in node.items() if not (own and key == "threat")}
            nodes.append((rest, node["threat"] if own else None))
        return nodes

    @cached_property
    def _defence_nodes(self) -> dict[str, Node | None]:
        """The defences, with the recipe's threat where they need one and name none."""
        return {name: node and _with_threat(node, self.threat) for name, node in self.defences.items()}

    def _check_held_out(self) -> None:
        suite = self.built_suite
        attacks = [one[0] if isinstance(one, tuple) else one for one in self.built_attacks]
        every = (*attacks, *(suite.stages if suite else ()))
        families = {part.family for attack in every for part in attack.parts}
        for family in self.held_out:
            if family not in families:
                raise InvalidSpec(
                    f"held_out names {family!r}, but nothing here measures that family; the attacks' families are "
                    f"{', '.join(sorted(families))}.{_near(family, families)}"
                )
        for name, defence in self.built_defences.items():
            both = sorted(set(self.held_out) & set(defence.families if defence else ()))
            if both:
                raise NotHeldOut(
                    f"{', '.join(both)} is held out, but the defence {name!r} trains on it. Take it out of held_out, "
                    "or train on another family."
                )

    def _absolute(self, reference: Any) -> Any:
        if isinstance(reference, str) and (FILE.fullmatch(reference) or reference.endswith(".npz")):
            return str((self.base / reference).resolve())
        return reference


def read_recipe(name: str | Path) -> "Recipe | RedRecipe":
    """A shipped recipe by its name, or a YAML file by its path.

    Raises:
        InvalidSpec: if there is none, or it holds something that nothing here understands.
        NotHeldOut: if a defence trains on a family that is held out.
    """
    path = SHIPPED / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = shipped()
        raise InvalidSpec(
            f"there is no recipe {str(name)!r}: the shipped ones are {', '.join(known)}, and no file has that path"
            f".{_near(str(name), known)}"
        )
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise InvalidSpec(f"{path} holds no recipe: expected a mapping with target, data and threat.")
    return any_recipe({"name": path.stem, **data}, path.parent)


def any_recipe(data: Mapping[str, Any], base: Path = Path()) -> "Recipe | RedRecipe":
    """A recipe from plain data: one that names harms is a red-team recipe."""
    if "harms" in data:
        from sparring.red_recipe import parse_red_recipe

        return parse_red_recipe({key: _numbers(value) for key, value in data.items()}, base)
    return parse_recipe(data, base)


def parse_recipe(data: Mapping[str, Any], base: Path = Path()) -> Recipe:
    """A recipe from plain data; paths in it are relative to `base`."""
    known = [name for name in Recipe.model_fields if name != "base"]
    _refuse_unknown(data, known, "a recipe")
    if isinstance(data.get("data"), dict):
        _refuse_unknown(data["data"], list(Data.model_fields), "data")
    for name, limits in (data.get("limits") or {}).items() if isinstance(data.get("limits"), dict) else ():
        _refuse_unknown(limits if isinstance(limits, dict) else {}, list(Limits.__dataclass_fields__), f"limits {name}")
    try:
        return Recipe(**{key: _numbers(value) for key, value in data.items() if value is not None}, base=base)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("dict[", "function")))
        told = "is missing" if first["type"] == "missing" else f"got {first['input']!r}: {first['msg']}"
        raise InvalidSpec(f"recipe key {where!r} {told}.") from error


def shipped() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def open_target(reference: Node | str, classes: int | None, base: Path = Path()) -> Target:
    """A target from a constructor call or `file.py:function`; a torch module is wrapped as a Classifier.

    Raises:
        InvalidSpec: if there is no such file or function, or what it returns is no target.
    """
    found = _made(reference, base, "a target")
    if isinstance(found, nn.Module):
        if classes is None:
            raise InvalidSpec(
                f"{_called(reference)} returns a torch module, so say how many classes it has: classes: 10 in the "
                "recipe, --classes 10 on the command line."
            )
        found = Classifier(found, classes, name=_short(reference))
    if not isinstance(found, Target):
        raise InvalidSpec(
            f"{_called(reference)} must return a Target or a torch.nn.Module; got {type(found).__name__}. "
            "Wrap a function that gives scores in BlackBox, one that gives labels in LabelBox."
        )
    return found


def open_cases(reference: Node | str, base: Path = Path()) -> Cases:
    """Cases from a constructor call, `file.py:function`, `file.npz` or a name such as `digits:test`.

    Raises:
        InvalidSpec: if nothing is called that.
        InvalidCases: if what came is no cases.
        MissingData: if a data set is not on this machine and cannot be downloaded.
    """
    if isinstance(reference, str) and reference.endswith(".npz"):
        return _npz(base / reference)
    if isinstance(reference, str) and not FILE.fullmatch(reference):
        name, _, split = reference.partition(":")
        if name not in DATA:
            raise InvalidSpec(
                f"no data is called {reference!r}: name {', '.join(DATA)} (with :train or :test), file.py:function or "
                f"file.npz.{_near(name, DATA)}"
            )
        return _build({"use": DATA[name], "split": split or "test"})
    found = _made(reference, base, "cases")
    if isinstance(found, tuple) and len(found) == 2:
        return arrays(*found, name=_short(reference))
    if not isinstance(found, Cases):
        raise InvalidCases(
            f"{_called(reference)} must return Cases or (inputs, labels); got {type(found).__name__}. "
            "See sparring.arrays and sparring.loader."
        )
    return found


def number(text: str) -> float:
    """A number as people write radii: `0.1`, `8/255`.

    Raises:
        InvalidSpec: for anything else.
    """
    if not _NUMBER.fullmatch(text.strip()) or text.strip().endswith("/0"):
        raise InvalidSpec(f"expected a number such as 0.1 or 8/255; got {text!r}.")
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def _made(reference: Node | str, base: Path, what: str) -> Any:
    if isinstance(reference, dict):
        if "use" not in reference:
            raise InvalidSpec(f"{what} needs a `use:`; got the keys {', '.join(reference)}.")
        return _build(reference)
    found = FILE.fullmatch(reference)
    if found is None:
        raise InvalidSpec(f"{what} is named as path/to/file.py:function; got {reference!r}.")
    return user_function(base / found["path"], found["function"])()


def user_function(path: Path, name: str) -> Any:
    """A function of a file of the user's own."""
    _existing(path, f"{path}:{name}")
    path = path.resolve()
    module_name = f"sparring_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # so that dataclasses and pickles of the file find their module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # so that the file can import its neighbours
    try:
        spec.loader.exec_module(module)
    except SparringError:
        raise
    except Exception as error:
        raise InvalidSpec(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise InvalidSpec(f"{path} has no function {name!r}; it has {', '.join(known) or 'none'}.{_near(name, known)}")
    return found


def _existing(path: Path, reference: str) -> None:
    if not path.is_file():
        raise InvalidSpec(f"there is no file {path}, which {reference} names.")


def _npz(path: Path) -> Cases:
    _existing(path, path.name)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return arrays(archive["inputs"], archive["labels"], name=path.stem)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidCases(
            f"{path} must hold the arrays inputs and labels ({error}). Write it with "
            "numpy.savez(path, inputs=..., labels=...)."
        ) from error


def _build(node: Any) -> Any:
    try:
        return build(node)
    except (TypeError, ValueError) as error:
        raise InvalidSpec(
            f"{node.get('use') if isinstance(node, dict) else node} refuses its settings: {error}"
        ) from error


def _with_threat(node: Node, threat: Node) -> Node:
    """The node, and those inside it, with the threat where they need one and name none."""
    inner = {key: _handed_down(value, threat) for key, value in node.items()}
    parameter = _parameters(node).get("threat")
    needs = parameter is not None and parameter.default is parameter.empty and "threat" not in node
    return {**inner, "threat": threat} if needs else inner


def _handed_down(value: Any, threat: Node) -> Any:
    if isinstance(value, list):
        return [_handed_down(item, threat) for item in value]
    return _with_threat(value, threat) if isinstance(value, dict) and "use" in value else value


def _parameters(node: Node) -> Mapping[str, inspect.Parameter]:
    if "use" not in node:
        raise InvalidSpec(f"attacks and defences need a `use:`; got the keys {', '.join(node)}.")
    return inspect.signature(resolve(node["use"])).parameters


def _numbers(value: Any) -> Any:
    """Plain data in which `8/255` and `1e-3`, which YAML takes for text, are numbers."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return number(value) if isinstance(value, str) and _NUMBER.fullmatch(value) and re.search("[/e]", value) else value


def _refuse_unknown(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in data:
        if key not in known:
            raise InvalidSpec(f"{where} has no key {key!r}; its keys are {', '.join(known)}.{_near(str(key), known)}")


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _called(reference: Node | str) -> str:
    return str(reference.get("use")) if isinstance(reference, dict) else reference


def _short(reference: Node | str) -> str:
    if isinstance(reference, dict):
        return reference["use"].rpartition(".")[2].replace("_", "-")
    found = FILE.fullmatch(reference)
    return reference if found is None else f"{Path(found['path']).stem}:{found['function']}"


def _device(name: str) -> str:
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidSpec("this recipe asks for device cuda, and torch sees none here. Use device: auto.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
