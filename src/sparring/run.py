"""Run: carry out a recipe. Every defence starts from the same target, and all of them are measured alike."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.config import Recipe, any_recipe
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec, RunMismatch
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.image.saving import save_target
from sparring.measure.answers import refuse_silent
from sparring.measure.campaign import measure
from sparring.measure.scorecard import Scorecard
from sparring.measure.store import Store, saving

if TYPE_CHECKING:
    from sparring.red_recipe import RedRecipe

_RECIPE = "recipe.json"
_CARD = "scorecard.json"


def run(
    recipe: Recipe,
    folder: Path,
    *,
    progress: Callable[[str], Progress] = lambda name: Silent(),
) -> dict[str, Scorecard]:
    """Trains and measures every defence of a recipe; one scorecard for each, in the recipe's order.

    All that a user can get wrong is checked before the first training. Whatever was finished is kept in the folder:
    the same call on the same folder goes on from there.

    Args:
        recipe: what to do.
        folder: for `recipe.json`, `sparring.db`, `attempts/` and a folder for each defence with its checkpoints,
            `weights.safetensors` and `scorecard.json`.
        progress: gives a sink for each defence's name.

    Raises:
        RunMismatch: if the folder holds a run of another recipe.
        SparringError: for anything else that a user can mend.
    """
    with threads(recipe.threads):
        return _run(recipe, folder, progress)


def _run(recipe: Recipe, folder: Path, progress: Callable[[str], Progress]) -> dict[str, Scorecard]:
    defences = recipe.built_defences
    test = recipe.open_test()
    train = recipe.open_train() if any(defences.values()) or recipe.learn_from == "train" else None
    learn_from = recipe.open_learn_from(train)
    target = recipe.open_target()
    look(recipe, target, test)
    for defence in defences.values():
        if defence is not None and train is not None:
            defence.refuse(target, train)
    remember(recipe, folder)
    store, cards = Store(folder), {}
    hardened = {name: harden(recipe, name, target, train, folder / name, progress(name)) for name in defences}
    for name, one in hardened.items():
        cards[name] = measured(recipe, one, test, learn_from, store, name, progress(name))
        save_card(cards[name], folder / name / _CARD)
    return cards


def harden(recipe: Recipe, name: str, target: Target, train: Cases | None, folder: Path, progress: Progress) -> Target:
    """One defence of a recipe carried out; its weights, if it has any, are written to `weights.safetensors`."""
    defence = recipe.built_defences[name]
    if defence is None or train is None:
        return target
    hardened = defence.harden(
        target, train, seed=Seed(recipe.seed).child("harden"), workspace=folder, progress=progress
    )
    save_target(hardened, folder / "weights.safetensors")
    return hardened


def measured(
    recipe: Recipe,
    target: Target,
    test: Cases,
    learn_from: Cases | None,
    store: Store,
    name: str,
    progress: Progress,
) -> Scorecard:
    """One target measured as a recipe says, under a run of that name in the record."""
    card = measure(
        target, test, recipe.built_threat, attacks=recipe.built_attacks, suite=recipe.built_suite,
        held_out=recipe.held_out, learn_from=learn_from, radii=recipe.radii, seed=recipe.seed, batch=recipe.batch,
        store=store, run=name, progress=progress,
    )  # fmt: skip
    return dataclasses.replace(card, target=name) if name in recipe.defences else card


def look(recipe: Recipe, target: Target, cases: Cases) -> None:
    """Asks everything that can be refused of a first batch, before hours are spent.

    Raises:
        InvalidCases: for labels outside the classes, inputs outside the box or not finite.
        BadTarget: for another number of answers, or NaN.
        Incompatible: for an attack that does not fit the target or its threat.
    """
    for block in cases.blocks(recipe.batch):
        placed = target.place(block)
        target.check(placed)
        recipe.built_threat.check(placed)
    first = target.place(cases[: min(8, len(cases))])
    refuse_silent(target, first.inputs)
    suite = recipe.built_suite
    for attack in (*(suite.stages if suite else ()), *(suite.escalation if suite else ())):
        attack.check(target, recipe.built_threat)
    for entry in recipe.built_attacks:
        attack, threat = entry if isinstance(entry, tuple) else (entry, recipe.built_threat)
        attack.check(target, threat)


def remember(recipe: "Recipe | RedRecipe", folder: Path) -> None:
    """Writes the recipe into its folder, or checks that the folder holds the same one.

    Raises:
        RunMismatch: if it holds another.
    """
    path, asked = folder / _RECIPE, recipe.asked()
    if path.is_file():
        stored = _read(path)
        differing = sorted(key for key in {*stored, *asked} if stored.get(key) != asked.get(key))
        if differing:
            raise RunMismatch(
                f"{folder} holds a run of another recipe: {', '.join(differing)} differ. Go back to the old recipe, "
                "name another folder with --out, or delete this one."
            )
        return
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asked, indent=1))


def recall(folder: Path) -> "Recipe | RedRecipe":
    """The recipe that a folder was made by.

    Raises:
        InvalidSpec: if there is none.
    """
    for place in (folder, folder.parent):
        if (place / _RECIPE).is_file():
            return any_recipe(_read(place / _RECIPE))
    raise InvalidSpec(f"{folder} holds no run: there is no {_RECIPE} in it.")


def find_cards(place: Path) -> dict[str, Scorecard]:
    """The scorecards at a path: a file, a folder with one, or a run's folder with one for each defence.

    Raises:
        InvalidSpec: if there are none.
    """
    if place.is_file() or (place / _CARD).is_file():
        card = Scorecard.load(place)
        return {card.target: card}
    found = sorted(place.glob(f"*/{_CARD}"), key=lambda path: path.parent.name) if place.is_dir() else []
    if not found:
        raise InvalidSpec(f"there is no scorecard at {place}. Name a {_CARD} or the folder of a run.")
    order = _listed(_read(place / _RECIPE)) if (place / _RECIPE).is_file() else []
    found = [path for path in found if path.parent.name in order] or found
    found.sort(key=lambda path: order.index(path.parent.name) if path.parent.name in order else len(order))
    return {path.parent.name: Scorecard.load(path) for path in found}


def _listed(recipe: dict[str, Any]) -> list[str]:
    return list(recipe.get("defences") or recipe.get("repairs") or {})


def save_card(card: Scorecard, path: Path) -> None:
    """Writes a scorecard whole or not at all.

    Raises:
        SparringError: if the disk is full.
    """
    with saving(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        card.save(path)


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Inside, torch computes with so many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InvalidSpec(f"{path} is damaged ({error}). Delete the folder {path.parent} to start anew.") from error
