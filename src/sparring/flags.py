"""Flags of the command line as recipes: what no flag says comes from a recipe, or from a default."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.core.errors import InvalidSpec

if TYPE_CHECKING:
    from sparring.config import Recipe
    from sparring.red_recipe import RedRecipe


def recipe_of(target: str | None, recipe: str | None, **flags: Any) -> "Recipe":
    """One recipe out of flags and, for what they leave out, a recipe."""
    from sparring.config import Recipe, number, parse_recipe, read_recipe

    known: dict[str, Any] = {}
    if recipe is not None:
        found = read_recipe(recipe)
        if not isinstance(found, Recipe):
            raise InvalidSpec(
                f"{recipe} is a red-team recipe: sparring run {recipe}, sparring redteam or sparring repair."
            )
        known = {**found.asked(), "threads": found.threads, "device": found.device}
    given = {key: value for key, value in flags.items() if value is not None}
    data = {key: value for key, value in (known.get("data") or {}).items() if value is not None}
    data |= {key: full_path(given.pop(key)) for key in ("test", "train") if key in given}
    data.setdefault("test", data.get("train"))
    if "learn_from" in given:
        given["learn_from"] = full_path(given["learn_from"])
    if data["test"] is None:
        raise InvalidSpec("there are no cases: name them with --data file.py:function, or take a --recipe.")
    norm, radius = given.pop("norm", None), given.pop("radius", None)
    radius = None if radius is None else number(radius)
    if radius is not None and norm is None and "threat" not in known:
        norm = "inf"
    if norm is not None and radius is not None:
        given["threat"] = {"use": "core.ball.LpBall", "norm": norm, "radius": radius}
    elif radius is not None and "threat" in known:
        given["threat"] = {**known["threat"], "radius": radius}
    elif "threat" not in known or norm is not None:
        raise InvalidSpec("name a threat: --norm inf --radius 8/255, or take a --recipe.")
    if callable(given.get("defences")):
        chosen = given["defences"](known.get("defences") or {})
        given["defences"] = {chosen["use"].rpartition(".")[2].replace("_", "-"): chosen}
    if target is not None:
        given["target"], given["name"] = full_path(target), Path(target.partition(":")[0]).stem
        known.pop("weights", None)
    if "target" not in {**known, **given}:
        raise InvalidSpec("name what to work on: file.py:function, or take a --recipe.")
    if "weights" in given:
        given["weights"] = str(given["weights"].resolve())
    if "suite" in given or "attacks" in given:
        known = {key: value for key, value in known.items() if key not in ("suite", "attacks", "held_out")}
    if given.get("defences"):
        known.pop("held_out", None)
    merged = {**known, **given, "data": data}
    return parse_recipe({key: merged[key] for key in Recipe.model_fields if key in merged})


def changed(asked: "Recipe", **changes: Any) -> "Recipe":
    from sparring.config import parse_recipe

    changes = {key: str(value) if isinstance(value, Path) else value for key, value in changes.items()}
    for key in ("target", "weights"):
        if isinstance(changes.get(key), str):
            changes[key] = full_path(changes[key])
    kept = {key: value for key, value in asked.asked().items() if key not in ("defences", "held_out")}
    return parse_recipe({**kept, **changes})


def red_recipe_of(
    target: str,
    model: str | None,
    red: str | None,
    red_model: str | None,
    harms: list[str] | None,
    attacks: list[str] | None,
    system: str,
    cases: int,
    seed: int | None,
    repairs: dict[str, Any],
    seen: list[dict[str, Any]] | None,
) -> "RedRecipe":
    """A red-team recipe out of flags."""
    from sparring.catalogue import entries
    from sparring.red_recipe import ERRANDS, HARMS, INJECTED, INJECTIONS, parse_red_recipe

    known = HARMS | {entry.name: f"language.harms.{entry.name}" for entry in entries("harms")}
    harms = harms or [name for name, path in HARMS.items() if path not in INJECTED]
    unknown = [one for one in harms if one not in known and re.fullmatch(r"\w+", one)]
    if unknown:
        raise InvalidSpec(f"no harm is called {unknown[0]!r}: name {', '.join(known)}, or a node with its settings.")
    nodes = [node_of(known.get(one, one)) for one in harms]
    nodes = [{**node, "use": known.get(node["use"], node["use"])} for node in nodes]  # {use: leak, corpus: ...}
    injected = all(node["use"] in INJECTED for node in nodes)
    looks = (
        INJECTIONS if injected else [node_of(one) for one in ("prompt.direct", "learned.zero_shot", "learned.few_shot")]
    )
    finds = [INJECTIONS[0], INJECTIONS[2]] if injected else looks[:2]
    stem = target.partition(":")[0] if ".py:" in target else target
    data = {
        "name": re.sub(r"[^\w.-]+", "-", Path(stem).stem).strip("-") or "target",
        "seed": seed,
        "target": full_path(target),
        "model": model,
        "system": system,
        "red": red and full_path(red),
        "red_model": red_model,
        "harms": named_nodes(nodes),
        "cases": cases,
        "seen": finds if seen is None else seen,
        "attacks": [node_of(one) for one in attacks] if attacks else looks,
        "vitals": ERRANDS if all(node["use"] == INJECTED[0] for node in nodes) else None,
        "repairs": repairs,
    }
    return parse_red_recipe({key: value for key, value in data.items() if value is not None})


def red_recipe_named(recipe: str) -> "RedRecipe":
    """A red-team recipe by its name or path."""
    from sparring.config import read_recipe
    from sparring.red_recipe import RedRecipe

    found = read_recipe(recipe)
    if not isinstance(found, RedRecipe):
        raise InvalidSpec(f"{recipe} is no red-team recipe: it names no harms, so there is no goal to attack for.")
    return found


def named_nodes(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Nodes by the last part of their names; a name that comes again is numbered, so that none is lost."""
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        name = node["use"].rpartition(".")[2].replace("_", "-").lower()
        found[name if name not in found else f"{name}-{sum(one.startswith(name) for one in found) + 1}"] = node
    return found


def node_of(text: str) -> dict[str, Any]:
    """A node from the command line: a name, or YAML such as `{use: gradient.pgd, steps: 40}`."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidSpec(
            f"{text!r} is neither a name nor a node such as '{{use: gradient.pgd, steps: 40}}'."
        ) from error
    if isinstance(found, dict) and "use" in found:
        return found
    if not isinstance(found, str):
        raise InvalidSpec(f"{text!r} is neither a name nor a node such as '{{use: gradient.pgd, steps: 40}}'.")
    return {"use": found}


def full_path(reference: Any) -> Any:
    """A file named on the command line, by its full path."""
    text = str(reference)
    path, colon, rest = text.partition(":") if ".py:" in text else (text, "", "")
    return (
        f"{Path(path).resolve()}{colon}{rest}" if Path(path).suffix in (".py", ".npz", ".pt", ".safetensors") else text
    )


def limits_of(recipe: str | None) -> dict[str, Any]:
    from sparring.config import read_recipe

    if recipe is None:
        return {}
    stated = read_recipe(recipe).limits
    if not stated:
        raise InvalidSpec(f"the recipe {recipe} states no limits. Add limits: {{name: {{broken: 0.5, clean: 0.9}}}}.")
    return dict(stated)
