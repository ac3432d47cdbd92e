"""Campaigns: what people can attack (targets and goals of red-team recipes) and the book that they write."""

import json
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sparring import red_team
from sparring.config import any_recipe, read_recipe
from sparring.core.book import Judged, add_judged, judged
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec, SparringError
from sparring.core.spec import digest
from sparring.domains.language.agent import Agent
from sparring.domains.language.aim import Aim
from sparring.domains.language.open import open_chat
from sparring.domains.language.target import Chat
from sparring.red_recipe import RedRecipe
from sparring.run import remember

AS_IT_CAME = "as it came"


@dataclass
class Campaign:
    """One red-team recipe, with what people can do about it; nothing is opened before it is asked for.

    Args:
        name: on the pages.
        recipe: names the target, the harms and the judges.
        folder: of its run, if it ran; the book lies in a folder of its own below.
    """

    name: str
    recipe: RedRecipe
    folder: Path
    _opened: dict[str, Chat] = field(default_factory=dict, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)  # a model answers one at a time

    @property
    def book(self) -> Path:
        """The folder of the case book, which `sparring replay` takes."""
        return self.folder / red_team.PEOPLE

    @property
    def targets(self) -> list[str]:
        """The target as it came, and the repaired models that a run left."""
        saved = sorted(path.parent.name for path in self.folder.glob(f"*/{red_team.MODEL}") if path.is_dir())
        return [AS_IT_CAME, *saved]

    @cached_property
    def goals(self) -> Cases:
        """What an adversary wants, one case for each different goal, of the split that repairs learn from."""
        cases = self.recipe.open_cases("train")
        seen: dict[str, int] = {}
        for k, goal in enumerate(cases.goals):
            seen.setdefault(repr(goal), k)
        return cases[list(seen.values())]

    def goal(self, case: str) -> Cases:
        """One of them, by its case's id, as a set of one.

        Raises:
            InvalidSpec: if there is none.
        """
        if case not in self.goals.ids:
            raise InvalidSpec(f"there is no goal {case!r} in {self.name}; choose one of the list.")
        place = list(self.goals.ids).index(case)
        return self.goals[place : place + 1]

    def open(self, target: str) -> Chat:
        """One of the targets, opened the first time.

        Raises:
            InvalidSpec: if there is none of that name.
            SparringError: if it cannot be opened.
        """
        if target not in self.targets:
            raise InvalidSpec(f"there is no target {target!r} in {self.name}; choose one of the list.")
        if target not in self._opened:
            alone = self.recipe.model_copy(update={"red": None})
            chat, _ = red_team.open_target(alone, self.book)
            if target != AS_IT_CAME:
                model = str(self.folder / target / red_team.MODEL)
                other = open_chat(model, sampling=chat.sampling, system=self.recipe.system, seed=self.recipe.seed)
                cache, chat = chat.cache, chat.around(other) if isinstance(chat, Agent) else other
                chat.cache = cache
            self._opened[target] = chat
        return self._opened[target]

    def add(self, one: Judged, *, replace: bool = False) -> Judged:
        """Writes into the book, with the recipe beside it, and returns what stands there."""
        remember(self.recipe, self.book)
        return add_judged(self.book, one, replace=replace)

    def judged(self) -> list[Judged]:
        return judged(self.book)


class Campaigns:
    """The campaigns of a workspace, found anew each time and opened once.

    Args:
        workspace: folder with the folders of runs, and recipes as YAML.
        given: one more, from the command line.
    """

    def __init__(self, workspace: Path, given: RedRecipe | None = None) -> None:
        self.workspace = workspace
        self._known: dict[str, Campaign] = {}
        self._lock = threading.Lock()
        if given is not None:
            self._add(self._free_folder(given), given)

    def found(self) -> tuple[dict[str, Campaign], list[str]]:
        """By name; and a sentence for each recipe that cannot be read."""
        troubles = []
        places = [*self.workspace.glob("*/recipe.json"), *self.workspace.glob(f"*/{red_team.PEOPLE}/recipe.json")]
        with self._lock:
            for path in sorted([*places, *self.workspace.glob("*.yaml")]):
                try:
                    self._read(path)
                except (SparringError, ValueError, OSError) as error:
                    troubles.append(f"{path.relative_to(self.workspace)} cannot be used: {error}")
            return dict(self._known), troubles

    def named(self, name: str) -> Campaign:
        """
        Raises:
            InvalidSpec: if there is none of that name.
        """
        known, _ = self.found()
        if name not in known:
            raise InvalidSpec(f"there is no target of {name!r} here; choose one of the list.")
        return known[name]

    def _read(self, path: Path) -> None:
        if path.suffix == ".yaml":
            recipe = read_recipe(path)
            folder = self._free_folder(recipe) if isinstance(recipe, RedRecipe) else path.parent
        else:
            folder = path.parent.parent if path.parent.name == red_team.PEOPLE else path.parent
            if folder.name in self._known:
                return
            recipe = any_recipe(json.loads(path.read_text(encoding="utf-8")))
        if isinstance(recipe, RedRecipe):
            self._add(folder, recipe)

    def _add(self, folder: Path, recipe: RedRecipe) -> None:
        self._known.setdefault(folder.name, Campaign(folder.name, recipe, folder))

    def _free_folder(self, recipe: RedRecipe) -> Path:
        """The folder of the recipe's name, or another one if that holds a run or a book of another recipe."""
        own = self.workspace / recipe.name
        for path in (own / "recipe.json", own / red_team.PEOPLE / "recipe.json"):
            stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            if any(recipe.asked().get(key) != value for key, value in stored.items()):
                return self.workspace / f"{recipe.name}-{digest(recipe.asked())[:6]}"
        return own


def where(goal: object) -> str:
    """Where the adversary of a goal writes, in words."""
    if not isinstance(goal, Aim):
        return "as the user"
    places = {"user": "as the user", "tool": "in a tool's result", "email": "in an e-mail"}
    return places.get(goal.surface, f"in a {goal.surface}")


def wanted(goal: object) -> str:
    """What the adversary wants, in words."""
    if isinstance(goal, Aim):
        return goal.ask
    return str(getattr(goal, "prompt", "")).strip() or "Whatever this harm means."
