"""Specs: any frozen dataclass as plain data and back, with every key checked before anything is built."""

import dataclasses
import difflib
import hashlib
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import torch

from sparring.core.errors import InvalidSpec, MissingExtra

# `field(default=None, compare=False, repr=False, metadata=LEARNED)` holds what an attack's `prepare` learned.
LEARNED = {"learned": True}

# Where short names are looked up, in this order: `gradient.pgd` is sparring.attack.gradient.pgd.
_ROOTS = ("sparring.attack", "sparring.train", "sparring.mitigate", "sparring.domains", "sparring")


def to_spec(value: Any) -> Any:
    """Plain data that `build` turns into an equal value: `{"use": "gradient.pgd", "steps": 40}`.

    A field with the metadata `LEARNED` is no setting, so it is left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: to_spec(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init and not field.metadata.get("learned") and not _is_default(field, getattr(value, field.name))
        }
        return {"use": _short_name(type(value)), **fields}
    if isinstance(value, torch.Tensor):
        return {"use": "torch.tensor", "digest": digest(value.cpu().numpy().tobytes().hex())}
    if isinstance(value, (list, tuple)):
        return [to_spec(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_spec(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return {"use": f"{type(value).__module__}.{type(value).__qualname__}"}


def build(spec: Any) -> Any:
    """Builds a spec's value; a mapping with `use` is a constructor call, anything else is itself.

    Raises:
        InvalidSpec: for an unknown name or key, with the nearest known one.
    """
    if isinstance(spec, list):
        return [build(item) for item in spec]
    if isinstance(spec, dict) and "use" in spec:
        constructor = resolve(spec["use"])
        arguments = {key: value for key, value in spec.items() if key != "use"}
        check_arguments(constructor, arguments, spec["use"])
        return constructor(**{key: build(value) for key, value in arguments.items()})
    if isinstance(spec, dict):
        return {key: build(value) for key, value in spec.items()}
    return spec


def check_spec(spec: Any) -> None:
    """Checks every name and key of a spec, and builds nothing."""
    if isinstance(spec, dict) and "use" in spec:
        arguments = {key: value for key, value in spec.items() if key != "use"}
        check_arguments(resolve(spec["use"]), arguments, spec["use"])
    for item in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        check_spec(item)


def check_arguments(constructor: Any, arguments: dict[str, Any], name: str) -> None:
    """Raises InvalidSpec for a key that the constructor does not take, or a required one that is missing."""
    parameters = inspect.signature(constructor).parameters
    for key in arguments:
        if key not in parameters:
            raise InvalidSpec(f"{name} takes {_listed(parameters)}; got {key!r}.{_nearest(key, parameters)}")
    missing = [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty
        and key not in arguments
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if missing:
        shown = ", ".join(f"{key}: ..." for key in missing)
        raise InvalidSpec(
            f"{name} needs {_listed(missing)}, which the spec does not give. Write it as {{use: {name}, {shown}}}."
        )


def resolve(name: str) -> Any:
    """The class or function behind a name: `gradient.pgd`, `core.ball.LpBall`, `their_package.module.Class`.

    A module's name stands for the one public class that it is named after.
    """
    if not isinstance(name, str):
        raise InvalidSpec(f"`use` must be a name; got {name!r}.")
    for path in (*(f"{root}.{name}" for root in _ROOTS), name):
        module_path, _, attribute = path.rpartition(".")
        module = _module(path)
        if module is not None and (main := main_class(module)) is not None:
            return main
        module = _module(module_path) if module_path else None
        if module is not None and hasattr(module, attribute) and callable(getattr(module, attribute)):
            return getattr(module, attribute)
    known = list(known_names())
    raise InvalidSpec(f"nothing is called {name!r}.{_nearest(name, known)} See: sparring list")


def main_class(module: Any) -> type | None:
    """The class that a one-concept file exists for: its name is the file's name without underscores."""
    wanted = module.__name__.rpartition(".")[2].replace("_", "").lower()
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == module.__name__ and name.lower() == wanted:
            return value
    return None


def known_names() -> Iterator[str]:
    """The short names of all attacks and defences, found by walking the folders."""
    for root in _ROOTS[:3]:
        package = _module(root)
        if package is None:
            continue
        for info in pkgutil.walk_packages(package.__path__, root + "."):
            if not info.ispkg:
                yield info.name.removeprefix(root + ".")


def digest(spec: Any) -> str:
    """Sixteen hexadecimal digits that tell two specs apart."""
    return hashlib.sha256(json.dumps(to_spec(spec), sort_keys=True).encode()).hexdigest()[:16]


def _module(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(error.name + ".")):
            return None
        raise MissingExtra(f"{path} needs the package {error.name!r}: pip install {error.name}") from error


def _short_name(kind: type) -> str:
    full = f"{kind.__module__}.{kind.__qualname__}"
    module = importlib.import_module(kind.__module__)
    path = kind.__module__ if main_class(module) is kind else full
    for root in _ROOTS:
        if path.startswith(root + "."):
            return path.removeprefix(root + ".")
    return full


def _is_default(field: Any, value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return type(field.default) is type(value) and bool(field.default == value)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory() == value
    return False


def _listed(names: Any) -> str:
    return ", ".join(names) or "no settings"


def _nearest(name: str, known: Any) -> str:
    known = list(known)
    last = [one for one in known if one.rpartition(".")[2] == name]  # `struq` for `feedback.struq`
    near = last or difflib.get_close_matches(name, known, 1)
    return f" Did you mean {near[0]!r}?" if near else ""
