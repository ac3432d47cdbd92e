"""What stands on the page to attack from: the choices, what was chosen, and what the case book says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparring.core.book import Judged
from sparring.core.errors import SparringError
from sparring.domains.language.conversation import Conversation
from sparring.measure.agreement import Agreement, agreements
from sparring.ui.attempt import Attempt
from sparring.ui.campaign import Campaign, Campaigns, wanted, where


@dataclass(frozen=True)
class Scene:
    """The page to attack from.

    Args:
        targets: name of a campaign -> its targets.
        goals: harm -> (id of the case, what the adversary wants and where it writes).
        campaign, target, case: what was chosen, or the first there is.
        goal: of the case; None where there is none.
        around: the conversation that the adversary writes into, untouched.
        place: of the message there that the adversary writes into.
        limit: characters that the adversary may write in one turn; None where the threat sets none.
        text: what was typed so far.
        problem: what is wrong with the choice, in one sentence.
        troubles: recipes that cannot be used, and why.
    """

    targets: Mapping[str, list[str]]
    goals: Mapping[str, list[tuple[str, str]]]
    campaign: Campaign | None = None
    target: str = ""
    case: str = ""
    goal: Any = None
    around: Conversation | None = None
    place: int = 0
    limit: int | None = None
    text: str = ""
    problem: str = ""
    troubles: tuple[str, ...] = ()

    @staticmethod
    def of(campaigns: Campaigns, told: Mapping[str, str]) -> "Scene":
        """From the fields of a form: target (`campaign/target`), case and text; what is missing is the first there is."""
        known, troubles = campaigns.found()
        targets = {name: one.targets for name, one in known.items()}
        text, chosen = told.get("text", ""), told.get("target", "")
        nothing = Scene(targets, {}, text=text, troubles=tuple(troubles))
        if not known:
            return nothing
        name, _, target = chosen.partition("/")
        problem = ""
        if chosen and (name not in known or target not in known[name].targets):
            problem = f"there is no target {chosen!r} here; choose one of the list."
        if not chosen or problem:
            name = next(iter(known))
            target = known[name].targets[0]
        campaign = known[name]
        try:
            cases, threat = campaign.goals, campaign.recipe.built_threat
        except SparringError as error:
            return Scene(targets, {}, campaign, target, text=text, problem=str(error), troubles=tuple(troubles))
        ids = list(cases.ids)
        place = ids.index(told["case"]) if told.get("case") in ids else 0
        goals: dict[str, list[tuple[str, str]]] = {}
        for case, goal in zip(ids, cases.goals, strict=True):
            goals.setdefault(f"{goal.harm}, {goal.kind}", []).append((case, f"{wanted(goal)} ({where(goal)})"))
        goal, around = cases.goals[place], Conversation.of(cases.inputs[place])
        return Scene(
            targets, goals, campaign, target, ids[place], goal, around, getattr(goal, "place", 0),
            getattr(threat, "characters", None), text, problem, tuple(troubles),
        )  # fmt: skip

    def standing(self, one: Attempt) -> Judged | None:
        """What the book says of an attempt; None where it is not in there."""
        if self.campaign is None or one.reply is None:
            return None
        wanted_id = one.judged("undecided", "").id
        return next((entry for entry in self.campaign.judged() if entry.id == wanted_id), None)


@dataclass(frozen=True)
class Book:
    """One campaign's case book."""

    name: str
    folder: str
    entries: list[Judged]
    agreements: list[Agreement]
    problem: str = ""


def books(campaigns: Campaigns) -> list[Book]:
    """The books that people have written into, and those that cannot be read."""
    found = []
    for name, campaign in campaigns.found()[0].items():
        try:
            entries = campaign.judged()
        except SparringError as error:
            found.append(Book(name, str(campaign.book), [], [], str(error)))
            continue
        if entries:
            found.append(Book(name, str(campaign.book), entries, agreements(entries)))
    return found


def people(campaigns: Campaigns) -> list[Judged]:
    """Every verdict of people in the workspace."""
    return [one for book in books(campaigns) for one in book.entries]
