"""Red-team, repair, red-team again: carries out a recipe of the language wing."""

import dataclasses
import inspect
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.config import FILE, user_function
from sparring.core.attack import Author
from sparring.core.book import copy_book, holds_book, judged, read_book
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.flag import Flag
from sparring.core.judge import Outcome
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.spec import build, resolve
from sparring.core.threat import ThreatModel
from sparring.domains.language.agent import Agent
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.episode import Episode
from sparring.domains.language.harm import joined_cases
from sparring.domains.language.judges.refusal import MANNERS, RefusalJudge, three_ways
from sparring.domains.language.open import open_chat
from sparring.domains.language.quiet import quiet
from sparring.domains.language.target import Chat, OpenChat, Sampling
from sparring.measure.campaign import measure
from sparring.measure.replay import replay, stored_attempts
from sparring.measure.scorecard import Scorecard
from sparring.measure.store import Store, saving
from sparring.red_recipe import RedRecipe
from sparring.run import recall, remember, save_card

FOUND = "found"  # the run on the training split, whose breaks the repairs learn from
PEOPLE = "people"  # the case book that people write (sparring ui), on places of the training split
_CARD = "scorecard.json"
_PACE = "pace.json"
MODEL = "model"  # the folder of a repaired model, which opens like any other
_FEWEST = 4  # cases per harm, below which a shipped campaign shows nothing
_PROBES = 48  # replies that the estimate times
_WRITTEN = 8  # texts that are timed where replies come at once
_QUESTION = 60  # tokens that a red model spends on one valid question, the thrown-away ones included
_READ = 4000  # tokens of one vital
_SLOWER = 1.4  # small batches, long prompts, candidates thrown away: measured over the recipe smollm2, 4 cases
_REMEMBERED = 0.002  # seconds: a reply that came faster was in the cache, and times nothing
_LOST = 0.05  # share of calls that no tool understands above which that is said
_NOTHING = (
    "nothing broke the target on the training split, so there is nothing to learn from. Raise the number of cases, or "
    "name more attacks in seen."
)


@dataclass(frozen=True)
class Estimate:
    """What a campaign will cost.

    Args:
        tokens: written by red models and targets, and read by repairs that train.
        seconds: at the speed of a first small batch; None where it was not timed.
        fixed: the part of the seconds that no number of cases changes: vitals and training.
    """

    tokens: int
    seconds: float | None
    fixed: float = 0.0

    def __str__(self) -> str:
        told = f"about {self.tokens:,} tokens"
        if self.seconds is not None:
            told += f", about {max(1, round(self.seconds / 60))} minutes at this machine's speed"
        return told


def run(
    recipe: RedRecipe,
    folder: Path,
    *,
    minutes: float | None = None,
    progress: Callable[[str], Progress] = lambda name: Silent(),
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Scorecard]:
    """Red-teams the target, repairs it in every way that the recipe names, and measures all of them alike.

    Whatever was finished is kept in the folder, every reply in its cache: the same call goes on from there.

    Args:
        recipe: what to do.
        folder: for `recipe.json`, `sparring.db`, `replies.db` and a folder for each repair.
        minutes: as many cases as fit into so much time, at most as many as the recipe names; None for the recipe's own
            minutes, if it has any.
        progress: gives a sink for each piece of work.
        tell: hears the estimate before the work begins.

    A repair is left out, and `tell` says so, where nothing broke the target on the training split.

    Raises:
        RunMismatch: if the folder holds another campaign.
        Incompatible: if the red model only chats, or a repair or an attack needs more than the target offers.
        SparringError: for anything else that a user can mend.
    """
    recipe.built_repairs()
    target, red = open_target(recipe, folder)
    refuse_misfits(recipe, target, red)
    repairs = recipe.built_repairs(red)
    recipe = fitted(recipe, target, red, minutes, tell, folder)
    remember(recipe, folder)
    learning = any(defence is not None and defence.needs_breaks for defence in repairs.values())
    failures = find(recipe, target, red, folder, progress(FOUND)) if learning else None
    if failures is not None and (more := written(recipe, folder)) is not None:
        failures = joined_cases([failures, more], failures.name)
    cards = {}
    for name, defence in repairs.items():
        if defence is not None and defence.needs_breaks and failures is not None and not len(failures):
            tell(f"{name} is left out: {_NOTHING}")
            continue
        repaired = repair(recipe, target, failures, defence, folder / name, progress(name))
        for note in repaired.lineage[-1].notes if defence is not None else ():
            tell(f"{name}: {note}")
        cards[name] = measured(recipe, repaired, red, name, folder, progress(name))
        if trouble := _first_error(cards[name]):
            tell(f"{name}: {trouble}")
    if target.cache is not None and target.cache.asked == 0:
        tell(
            f"no reply was asked for: all of this was known in {folder}. If the target has changed in what cannot be seen "
            "(another file, a server), name another folder: --out"
        )
    return cards


def open_target(recipe: RedRecipe, folder: Path) -> tuple[Chat, Chat]:
    """The target, with a cache of its replies in the folder, and the red model, which may be the target itself.

    Raises:
        InvalidSpec: if the recipe names no target.
    """
    target = _opened(recipe.target, recipe)
    boxes = [harm.toolbox for harm in recipe.built_harms.values() if harm.toolbox is not None]
    if boxes and not isinstance(target, Agent):
        target = Agent(target, boxes[0])
    folder.mkdir(parents=True, exist_ok=True)
    target.cache = ReplyCache(folder / "replies.db")
    if isinstance(target, Agent):
        target.inner.cache = target.cache  # a defence between the two finds what was answered without it
    base = target.inner if isinstance(target, Agent) else target
    red = base if recipe.red is None else _opened(recipe.red, recipe, red=True)
    red.cache = target.cache
    return target, red


def refuse_misfits(recipe: RedRecipe, target: Chat, red: Chat) -> None:
    """Raises Incompatible for what would only be found out after hours."""
    for attack in (*recipe.built_attacks(red, seen=True), *recipe.built_attacks(red)):
        attack.check(target, recipe.built_threat)
    if any(
        isinstance(attack, Author) for attack in (*recipe.built_attacks(red, seen=True), *recipe.built_attacks(red))
    ):
        red.write([], Sampling(), [])
    for defence in recipe.built_repairs().values():
        if defence is not None:
            defence.refuse_misfit(target.inner if isinstance(target, Agent) else target)
        if defence is not None and defence.searches:
            defence.refuse_data(recipe.open_cases("train"))


def find(recipe: RedRecipe, target: Chat, red: Chat, folder: Path, progress: Progress) -> Cases:
    """What broke the target on the training split: the case book that the repairs learn from."""
    card = measure(
        target, recipe.open_cases("train"), recipe.built_threat, attacks=recipe.built_attacks(red, seen=True),
        judge=recipe.judge, taxonomy=recipe.taxonomy, seed=recipe.seed, batch=recipe.batch, store=Store(folder),
        run=FOUND, progress=progress,
    )  # fmt: skip
    save_card(card, folder / FOUND / _CARD)
    return card.broken()


def written(recipe: RedRecipe, folder: Path) -> Cases | None:
    """What people broke, as their case book stood when the campaign began; None where the recipe names no book.

    Raises:
        InvalidSpec: if there is no such book, or it is about other harms.
    """
    if recipe.book is None:
        return None
    place, frozen = recipe.base / recipe.book, folder / FOUND / PEOPLE
    asked = recall(place)
    if not holds_book(place) or not isinstance(asked, RedRecipe):
        raise InvalidSpec(f"there is no case book of people in {place}; sparring ui writes one into RUN/{PEOPLE}.")
    originals = asked.open_cases("train")
    if not holds_book(frozen):
        read_book(place, originals)  # a damaged one is refused before it is copied
        copy_book(place, frozen)
    found = _confirmed(read_book(frozen, originals), frozen)
    strange = sorted({goal.harm for goal in found.goals} - recipe.built_harms.keys())
    if strange:
        raise InvalidSpec(f"the case book in {place} is about {', '.join(strange)}, which is no harm of this recipe.")
    return found


def _confirmed(cases: Cases, place: Path) -> Cases:
    """The cases, whose goals know the replies that people called broken in a case book."""
    said: dict[str, list[str]] = {}
    for one in judged(place):
        if one.person is Outcome.BROKEN:
            said.setdefault(one.case, []).append(one.reply.strip())
    goals = [
        dataclasses.replace(goal, confirmed=(*goal.confirmed, *said.get(name, ())))
        for name, goal in zip(cases.ids, cases.goals, strict=True)
    ]
    return dataclasses.replace(cases, goals=goals)


def repair(
    recipe: RedRecipe, target: Chat, failures: Cases | None, defence: Defence | None, folder: Path, progress: Progress
) -> Chat:
    """One repair carried out; a repaired model's weights are written to `folder/model`.

    The repair is of the chat; where that has tools, they stay around it.

    Raises:
        InvalidCases: if nothing broke the target, so that there is nothing to learn from.
    """
    if defence is None:
        return target
    data = failures if defence.needs_breaks else recipe.open_cases("train")
    if data is None or not len(data):
        raise InvalidCases(_NOTHING)
    chat = target.inner if isinstance(target, Agent) else target
    chat.cache = target.cache
    seed = Seed(recipe.seed).child("repair")
    repaired = defence.harden(chat, data, seed=seed, workspace=folder, progress=progress)
    assert isinstance(repaired, Chat), f"{defence.name} repaired a chat into something else"
    repaired.cache = target.cache
    inside = repaired.innermost
    if isinstance(inside, OpenChat) and inside is not chat.innermost:
        with saving(folder), quiet():
            inside.model.save_pretrained(folder / MODEL)
            inside.tokenizer.save_pretrained(folder / MODEL)
    return target.around(repaired) if isinstance(target, Agent) else repaired


def measured(recipe: RedRecipe, target: Chat, red: Chat, name: str, folder: Path, progress: Progress) -> Scorecard:
    """One target measured as the recipe says, under a run of that name in the record."""
    vitals = [vital for vital in recipe.built_vitals if vital.fits(target)]
    card = measure(
        target, recipe.open_cases("test"), recipe.built_threat, attacks=recipe.built_attacks(red), judge=recipe.judge,
        opinions=recipe.built_opinions, vitals=vitals, taxonomy=recipe.taxonomy, held_out=recipe.held_out,
        learn_from=recipe.open_cases("train"),
        seed=recipe.seed, batch=recipe.batch, store=Store(folder), run=name, progress=progress,
    )  # fmt: skip
    card = dataclasses.replace(card, target=name)
    _add_manners(card)
    _add_lost_calls(card)
    save_card(card, folder / name / _CARD)
    return card


def _first_error(card: Scorecard) -> str | None:
    """How many attempts failed, and why the first of them did."""
    errors = sum(bout.rate.errors + bout.rate.banned for bout in card.attacks())
    notes = (one.note for one in card.transcripts() if one.outcome in (Outcome.ERROR, Outcome.BANNED) and one.note)
    return f"{errors} attempts got no reply, such as: {next(notes, 'no reason given')}" if errors else None


def _add_lost_calls(card: Scorecard) -> None:
    """A flag where calls were asked for in a way that no tool understands: an obedient target then looks as if it held."""
    calls = [call for one in card.transcripts() for call in Episode.read(one.reply or "").calls]
    lost = [call for call in calls if call.malformed]
    if lost and len(lost) > _LOST * len(calls):
        told = f"{lost[0].tool} ({lost[0].result.removeprefix('error: ')})"
        text = (
            f"{len(lost)} of {len(calls)} calls did nothing because no tool understands them, such as {told}: what held may have "
            "been a slip of the pen. Tell the target how its tools are called."
        )
        card.flags.append(Flag("lost-calls", text, len(lost) / len(calls)))


def _add_manners(card: Scorecard) -> None:
    """Beside each attack's diversity: the shares of replies that refuse, answer safely and answer badly."""
    judge = RefusalJudge()
    for bout in card.attacks():
        said = [
            one
            for one in card.transcripts()
            if one.bout == bout.label and one.outcome in (Outcome.BROKEN, Outcome.HELD)
        ]
        if said:
            questions = [Conversation.of(one.input).prompt for one in said]
            refused = judge.refuses([one.reply or "" for one in said], questions)
            manners = three_ways(refused, [one.outcome for one in said])
            bout.survey = {**bout.survey, **{name: manners.count(name) / len(said) for name in MANNERS}}


def replayed(
    recipe: RedRecipe, earlier: Sequence[tuple[Path, Scorecard | None]], folder: Path, progress: Progress
) -> Scorecard:
    """The case book of earlier runs, everything that broke their target, asked of the target of this recipe.

    Args:
        recipe: names the target.
        earlier: folder and scorecard of each run; None for a folder that holds only a case book. A case book in the
            folder goes before the record in it or above it.
        folder: for the record and the scorecard of the replay.
    """
    target, _ = open_target(recipe, folder)
    threat = recipe.built_threat
    known = {split: recipe.open_cases(split) for split in ("train", "test")}
    everything = joined_cases(list(known.values()), "replayed")
    book: dict[str, tuple[Cases, ThreatModel]] = {}
    for place, card in earlier:
        if holds_book(place) or card is None:
            name = "case book" if "case book" not in book else f"{place.name}, case book"
            book[name] = (read_book(place, known["train"]), threat)
            everything = _confirmed(everything, place)
            continue
        record = place if (place / "sparring.db").is_file() else place.parent
        originals = known["train" if card.run == FOUND else "test"]
        kept = stored_attempts(record, card, originals, {threat.describe(): threat})
        book |= {(label if len(earlier) == 1 else f"{card.run}, {label}"): value for label, value in kept.items()}
    found = replay(
        target, book, threat, everything, judge=recipe.judge, seed=recipe.seed, batch=recipe.batch, workspace=folder,
        progress=progress,
    )  # fmt: skip
    save_card(found, folder / _CARD)
    return found


def fitted(
    recipe: RedRecipe, target: Chat, red: Chat, minutes: float | None, tell: Callable[[str], None], folder: Path
) -> RedRecipe:
    """The recipe with as many cases as fit into the time, and the estimate told; a begun campaign keeps its number.

    Minutes that a user asks for and that are too few for one case are refused; a recipe's own are a wish, and a slow
    machine gets a few cases all the same.
    """
    if minutes is not None and minutes <= 0:
        raise InvalidSpec(f"--minutes is a time above 0; got {minutes:g}.")
    wish, minutes = minutes is None, recipe.minutes if minutes is None else minutes
    if minutes is not None and (folder / "recipe.json").is_file():
        begun = json.loads((folder / "recipe.json").read_text())
        return recipe.model_copy(update={key: begun[key] for key in ("cases", "learn")})
    estimate = estimated(recipe, target, red, folder)
    if minutes is not None and estimate.seconds is not None and estimate.seconds > minutes * 60:
        cases = int(recipe.cases * (minutes * 60 - estimate.fixed) / (estimate.seconds - estimate.fixed))
        if wish:
            cases = max(cases, min(recipe.cases, _FEWEST))
        if cases < 1:
            raise InvalidSpec(
                f"{minutes:g} minutes are too few for one case per harm; {recipe.cases} would take {estimate}. Give more "
                "minutes (--minutes), or leave out repairs or vitals."
            )
        whole = recipe.cases
        share = ((estimate.seconds - estimate.fixed) * cases / recipe.cases + estimate.fixed) / estimate.seconds
        estimate = Estimate(round(estimate.tokens * share), estimate.seconds * share)
        learn = None if recipe.learn is None else max(1, recipe.learn * cases // recipe.cases)
        recipe = recipe.model_copy(update={"cases": cases, "learn": learn})
        tell(f"{cases} cases per harm instead of {whole}, to keep within {minutes:g} minutes or come near them")
    harms = "1 harm" if len(recipe.harms) == 1 else f"{len(recipe.harms)} harms"
    tell(f"{harms}, {recipe.cases} cases each: {estimate}")
    return recipe


def estimated(recipe: RedRecipe, target: Chat, red: Chat, folder: Path) -> Estimate:
    """Tokens, and seconds at the speed of a first batch, whose replies the cache keeps and its time the folder."""
    harms, reply, targets = len(recipe.harms), target.sampling.tokens, len(recipe.repairs or [None])
    fixed = targets * _READ * len(recipe.vitals)
    fixed += sum(defence.effort * (_QUESTION + reply) for defence in recipe.built_repairs().values() if defence)
    tokens = targets * sum(_cost(node, recipe.cases * harms, harms, reply) for node in recipe.attacks)
    if any(defence is not None and defence.needs_breaks for defence in recipe.built_repairs().values()):
        tokens += sum(_cost(node, (recipe.learn or recipe.cases) * harms, harms, reply) for node in recipe.seen)
    pace = _pace(recipe, target, red, folder / _PACE)
    if pace is None:
        return Estimate(tokens + fixed, None)
    return Estimate(tokens + fixed, _SLOWER * pace * (tokens + fixed), _SLOWER * pace * fixed)


def _pace(recipe: RedRecipe, target: Chat, red: Chat, place: Path) -> float | None:
    """Seconds per token of a first batch; a campaign that was stopped reads it again, for its replies are cached.

    A target that answers at once, such as a function, tells nothing; then the red model is timed.
    """
    if place.is_file():
        return json.loads(place.read_text())
    probes = recipe.open_cases("test")[:_PROBES].inputs
    start = time.perf_counter()
    answers = target(probes)
    seconds = time.perf_counter() - start
    pace = seconds / (len(answers) * target.sampling.tokens)
    if target.cache is not None and seconds < _REMEMBERED * len(answers):
        asks_red = any("red" in inspect.signature(resolve(node["use"])).parameters for node in recipe.attacks)
        if red is target or not asks_red:
            return None
        few = Sampling(tokens=_QUESTION // 2)
        start = time.perf_counter()
        red.write([f"{want.prompt}\n1." for want in recipe.open_cases("test").goals[:_WRITTEN]], few, [
            Seed(k).child("pace") for k in range(min(_WRITTEN, len(recipe.open_cases("test"))))
        ])  # fmt: skip
        pace = (time.perf_counter() - start) / (_WRITTEN * few.tokens)
    with saving(place.parent):
        place.write_text(json.dumps(pace))
    return pace


def _cost(node: dict[str, Any], places: int, harms: int, reply: int) -> int:
    """Tokens that an attack costs: what the red model writes, and every reply of the target."""
    takes = inspect.signature(resolve(node["use"])).parameters
    question = _QUESTION if "red" in takes else 0
    turns = node.get("turns", takes["turns"].default if "turns" in takes else 1)
    turns *= node.get("tries", 1) if node["use"].startswith("prompt.") else 1
    pool = node.get("zero_shot", takes["zero_shot"].default if "zero_shot" in takes else 0)
    return (places * turns + pool * harms) * (question + reply)


def _opened(reference: Any, recipe: RedRecipe, red: bool = False) -> Chat:
    """The target, or the red model, which works under no system prompt and may be another model of an endpoint."""
    model = (recipe.red_model or recipe.model) if red else recipe.model
    settings: dict[str, Any] = {
        "model": model or "", "system": "" if red else recipe.system, "seed": recipe.seed, "completions": red,
    }  # fmt: skip
    if isinstance(reference, dict):
        return open_chat(build(reference), **settings)
    if found := FILE.fullmatch(reference):
        return open_chat(user_function(recipe.base / found["path"], found["function"]), **settings)
    inside = recipe.base / reference
    return open_chat(str(inside) if inside.exists() else reference, **settings)
