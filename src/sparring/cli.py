"""The command line: one verb per function, and every mistake of the user's answered with one sentence."""

import functools
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparring import flags
from sparring.core.errors import InvalidSpec, RunMismatch, SparringError
from sparring.core.shown import shown, visible

if TYPE_CHECKING:
    from sparring.measure.scorecard import Scorecard
    from sparring.red_recipe import RedRecipe

_RUNS = Path("sparring-runs")
_REPORT = "report.html"

app = typer.Typer(
    help="Attack a model, train it on what broke it, measure what is left, report it with error bars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

TargetName = Annotated[
    str | None, typer.Argument(metavar="FILE.py:FUNCTION", help="Returns the model: a torch module or a Target.")
]
DataName = Annotated[
    str | None,
    typer.Option("--data", help="file.py:function, file.npz, or a name such as digits:test.", show_default=False),
]
ClassCount = Annotated[int | None, typer.Option("--classes", help="Number of logits of a torch module.")]
Weights = Annotated[Path | None, typer.Option("--weights", help="Weights to load into the model.")]
RecipeName = Annotated[
    str | None, typer.Option("--recipe", help="Takes what no flag says from a recipe: its name or a YAML file.")
]
_TARGETS = "smollm2, a model's folder, a GGUF file, http://address/v1, or file.py:function."
ModelName = Annotated[str | None, typer.Option("--model", help="Which of an endpoint's models.")]
RedName = Annotated[str | None, typer.Option("--red", help="The red language model, named like the target.")]
RedModel = Annotated[str | None, typer.Option("--red-model", help="Which of a red endpoint's models, if not --model.")]
Norm = Annotated[str | None, typer.Option("--norm", help="inf (the default), 2 or 1.")]
Radius = Annotated[str | None, typer.Option("--radius", help="In input units, such as 0.1 or 8/255.")]
SeedValue = Annotated[int | None, typer.Option("--seed", help="Same seed, same result.")]
BatchSize = Annotated[int | None, typer.Option("--batch", help="Cases in flight at once.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results.", show_default=False)]


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a function a verb: mistakes end with one sentence and status 2, Ctrl-C with 130 and how to go on."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **settings: Any) -> None:
        try:
            function(*arguments, **settings)
        except SparringError as error:
            folder = isinstance(error, RunMismatch) and "--out" not in str(error)
            _say(f"sparring: {error}{' Here that is --out FOLDER.' if folder else ''}", error=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as stop:
            told = str(stop) or "stopped; what was finished is kept."
            _say(f"\nsparring: {told} To go on, type the same command again:\n  {_command()}", error=True)
            raise typer.Exit(130) from stop
        except BrokenPipeError:  # whoever read what is printed has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            _say(
                f"sparring: {error.strerror or error}{f': {error.filename}' if error.filename else ''}. "
                "What was finished is kept; mend this and type the same command again.",
                error=True,
            )
            raise typer.Exit(2) from error

    app.command(function.__name__.rstrip("_"))(guarded)
    return guarded


@verb
def init(folder: Annotated[Path, typer.Argument(help="Where the two files go.")] = Path()) -> None:
    """Write a commented recipe and a target file to start from."""
    from sparring.starter import write_starter

    recipe, target = write_starter(folder)
    _say(f"wrote {recipe} and {target}\nMake {target} return your model and data, then: sparring run {recipe}")


@verb
def run(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a YAML file.")],
    out: Out = None,
    seed: SeedValue = None,
    cases: Annotated[int | None, typer.Option("--cases", help="Places per harm, in a red-team recipe.")] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="As many cases as fit, in a red-team recipe.")
    ] = None,
) -> None:
    """Carry out a recipe: train its defences side by side, measure all of them, write a report."""
    from sparring import run as runs
    from sparring.config import read_recipe
    from sparring.console import Bars
    from sparring.red_recipe import RedRecipe

    asked = read_recipe(recipe)
    if isinstance(asked, RedRecipe):
        changes: dict[str, Any] = {"seed": seed, "cases": cases}
        changes = {key: value for key, value in changes.items() if value is not None}
        if cases is not None:
            changes["minutes"] = None
        _red_team(asked.model_copy(update=changes), out, minutes, f"sparring run {recipe}")
        return
    if cases is not None or minutes is not None:
        raise InvalidSpec(f"--cases and --minutes scale red-team recipes; {recipe} is none.")
    asked = asked if seed is None else asked.model_copy(update={"seed": seed})
    folder = out or _RUNS / asked.name
    with Bars() as bars:
        cards = runs.run(asked, folder, progress=lambda name: bars.within(f"{name}: "))
    _tell(list(cards.values()), folder / _REPORT, asked.name, f"sparring run {recipe}")


@verb
def measure(
    target: TargetName = None,
    data: DataName = None,
    classes: ClassCount = None,
    weights: Weights = None,
    norm: Norm = None,
    radius: Radius = None,
    suite: Annotated[str | None, typer.Option("--suite", help="standard or autoattack.")] = None,
    attack: Annotated[list[str] | None, typer.Option("--attack", help="A name or a node; may be repeated.")] = None,
    held_out: Annotated[list[str] | None, typer.Option("--held-out", help="A family; may be repeated.")] = None,
    radii: Annotated[str | None, typer.Option("--radii", help="Points of a curve, such as 2/255,4/255.")] = None,
    learn_from: Annotated[
        str | None, typer.Option("--learn-from", help="Cases for attacks that learn, named like --data.")
    ] = None,
    recipe: RecipeName = None,
    seed: SeedValue = None,
    batch: BatchSize = None,
    out: Out = None,
) -> None:
    """Attack a model of yours and write its scorecard."""
    from sparring import run as runs
    from sparring.config import number
    from sparring.console import Bars
    from sparring.measure.store import Store

    asked = flags.recipe_of(target, recipe, classes=classes, weights=weights, norm=norm, radius=radius, seed=seed, batch=batch,
                   test=data, learn_from=learn_from, suite=suite, held_out=held_out, attacks=attack and [flags.node_of(one) for one in attack],
                   radii=radii and [number(one) for one in radii.split(",")], defences={})  # fmt: skip
    folder = out or _RUNS / (weights.stem if weights else asked.name)
    cases, model = asked.open_test(), asked.open_target()
    runs.look(asked, model, cases)
    runs.remember(asked, folder)
    with runs.threads(asked.threads), Bars() as bars:
        card = runs.measured(asked, model, cases, asked.open_learn_from(None), Store(folder), "measure", bars)
    runs.save_card(card, folder / "scorecard.json")
    _tell([card], folder / _REPORT, card.target, _command())
    _say(f"scorecard: {folder / 'scorecard.json'}")


@verb
def harden(
    target: TargetName = None,
    defence: Annotated[
        str, typer.Option("--defence", help="Its name in the recipe, its name in the catalogue, or a node.")
    ] = "minimax.nfgsm",
    data: DataName = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the data.")] = None,
    classes: ClassCount = None,
    weights: Weights = None,
    norm: Norm = None,
    radius: Radius = None,
    recipe: RecipeName = None,
    seed: SeedValue = None,
    out: Out = None,
) -> None:
    """Train a model of yours against attacks and write its weights."""
    from sparring import run as runs
    from sparring.console import Bars

    def node(known: dict[str, Any]) -> dict[str, Any]:
        found = known[defence] if known.get(defence) else flags.node_of(defence)
        return found if epochs is None else {**found, "epochs": epochs}

    asked = flags.recipe_of(target, recipe, classes=classes, weights=weights, norm=norm, radius=radius, seed=seed, train=data,
                   defences=node)  # fmt: skip
    name = next(iter(asked.defences))
    folder = out or _RUNS / f"{asked.name}-{name}"
    train, model = asked.open_train(), asked.open_target()
    runs.look(asked, model, train)
    runs.remember(asked, folder)
    with runs.threads(asked.threads), Bars() as bars:
        hardened = runs.harden(asked, name, model, train, folder, bars)
    for note in hardened.lineage[-1].notes if hardened.lineage else ():
        _say(note)
    _say(f"weights: {folder / 'weights.safetensors'}")
    _say(
        f"measure them: sparring measure {target or '--recipe ' + str(recipe)} --weights {folder / 'weights.safetensors'} ..."
    )


@verb
def redteam(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=_TARGETS)],
    model: ModelName = None,
    red: RedName = None,
    red_model: RedModel = None,
    harm: Annotated[list[str] | None, typer.Option("--harm", help="A name or a node; may be repeated.")] = None,
    attack: Annotated[list[str] | None, typer.Option("--attack", help="A name or a node; may be repeated.")] = None,
    system: Annotated[str, typer.Option("--system", help="System prompt that the target works under.")] = "",
    cases: Annotated[int, typer.Option("--cases", help="Places per harm, for each attack.")] = 40,
    minutes: Annotated[float | None, typer.Option("--minutes", help="As many cases as fit into so much time.")] = None,
    seed: SeedValue = None,
    out: Out = None,
) -> None:
    """Red-team a language model, an endpoint or a function of yours, and write its scorecard."""
    asked = flags.red_recipe_of(target, model, red, red_model, harm, attack, system, cases, seed, {"as-is": None}, [])
    _red_team(asked, out, minutes, _command())


@verb
def repair(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=_TARGETS)],
    model: ModelName = None,
    repair: Annotated[
        list[str] | None, typer.Option("--repair", help="A name or a node, such as blocklist; may be repeated.")
    ] = None,
    red: RedName = None,
    red_model: RedModel = None,
    harm: Annotated[list[str] | None, typer.Option("--harm", help="A name or a node; may be repeated.")] = None,
    seen: Annotated[list[str] | None, typer.Option("--seen", help="Attacks that the repairs learn from.")] = None,
    book: Annotated[
        Path | None, typer.Option("--book", help="People's case book (its folder), to learn from as well.")
    ] = None,
    attack: Annotated[list[str] | None, typer.Option("--attack", help="A name or a node; may be repeated.")] = None,
    system: Annotated[str, typer.Option("--system", help="System prompt that the target works under.")] = "",
    cases: Annotated[int, typer.Option("--cases", help="Places per harm, for each attack.")] = 40,
    minutes: Annotated[float | None, typer.Option("--minutes", help="As many cases as fit into so much time.")] = None,
    seed: SeedValue = None,
    out: Out = None,
) -> None:
    """Repair a language model with what breaks it, and measure it before and after."""
    named = flags.named_nodes([flags.node_of(one) for one in repair or ["blocklist", "prompt_augmentation"]])
    looked = [flags.node_of(one) for one in seen] if seen else None
    asked = flags.red_recipe_of(
        target, model, red, red_model, harm, attack, system, cases, seed, {"as-is": None, **named}, looked
    )
    # Beside what redteam writes, and not over it.
    asked = asked.model_copy(update={"name": f"{asked.name}-repair", "book": book and str(book.resolve())})
    _red_team(asked, out, minutes, _command())


@verb
def report(
    places: Annotated[list[Path], typer.Argument(metavar="PLACES", help="Scorecards, or folders of runs.")],
    out: Annotated[Path | None, typer.Option("--out", help="The HTML file.", show_default=False)] = None,
    title: Annotated[str | None, typer.Option("--title")] = None,
) -> None:
    """Build the report again from scorecards."""
    from sparring.run import find_cards

    cards = [card for place in places for card in find_cards(place).values()]
    folder = places[0] if places[0].is_dir() else places[0].parent
    _tell(cards, out or folder / _REPORT, title or folder.resolve().name, _command())


@verb
def compare(
    before: Annotated[Path, typer.Argument(help="A scorecard, or the folder that holds one.")],
    after: Annotated[Path, typer.Argument(help="Another one, over the same cases.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")] = Path("comparison.html"),
) -> None:
    """Compare two scorecards, paired by case."""
    from sparring.measure.scorecard import Scorecard
    from sparring.report.compare import write_comparison
    from sparring.report.summary import mismatches

    first, second = Scorecard.load(before), Scorecard.load(after)
    _say(first.compare(second))
    for line in mismatches([first, second]):
        _say(f"! {line}")
    write_comparison(first, second, out, command=_command())
    _say(f"comparison: {out}")


@verb
def replay(
    earlier: Annotated[Path, typer.Argument(help="Folder of the run whose attempts are tried again.")],
    target: TargetName = None,
    classes: ClassCount = None,
    weights: Weights = None,
    model: ModelName = None,
    out: Out = None,
) -> None:
    """Try what broke one model on another."""
    from sparring import run as runs
    from sparring.console import Bars
    from sparring.core.book import holds_book, read_book
    from sparring.measure import replay as replays
    from sparring.red_recipe import RedRecipe

    asked = runs.recall(earlier)
    if isinstance(asked, RedRecipe):
        _replay_book(asked, earlier, target, model, out)
        return
    changed = {key: value for key, value in (("target", target), ("classes", classes)) if value is not None}
    other = flags.changed(asked, **changed, weights=weights or (None if target else asked.weights))
    folder = out or earlier / f"replay-{(weights or Path(str(other.target).replace(':', '-'))).stem}"
    (name, card), *more = runs.find_cards(earlier).items()
    if more:
        raise InvalidSpec(
            f"{earlier} holds several runs: {', '.join([name, *(one for one, _ in more)])}. Name the folder of one, "
            f"such as {earlier / name}."
        )
    originals = asked.open_train() if holds_book(earlier) else asked.open_test()
    if holds_book(earlier):
        frozen = {"case book": (read_book(earlier, originals), asked.built_threat)}
    else:
        threats = [asked.built_threat, *(entry[1] for entry in asked.built_attacks if isinstance(entry, tuple))]
        record = earlier if (earlier / "sparring.db").is_file() else earlier.parent
        frozen = replays.stored_attempts(record, card, originals, {threat.describe(): threat for threat in threats})
    with Bars() as bars:
        found = replays.replay(
            other.open_target(), frozen, asked.built_threat, originals, seed=asked.seed, batch=asked.batch,
            workspace=folder, progress=bars,
        )  # fmt: skip
    runs.save_card(found, folder / "scorecard.json")
    _tell([found], folder / _REPORT, f"{card.target} on {found.target}", _command())


@verb
def check(
    places: Annotated[list[Path], typer.Argument(metavar="PLACES", help="Scorecards, or folders of runs.")],
    max_broken: Annotated[float | None, typer.Option("--max-broken", help="Worst-case broken share allowed.")] = None,
    max_broken_held_out: Annotated[
        float | None, typer.Option("--max-broken-held-out", help="The same over held-out families.")
    ] = None,
    min_clean: Annotated[float | None, typer.Option("--min-clean", help="Clean accuracy asked for.")] = None,
    max_undecided: Annotated[float, typer.Option("--max-undecided", help="Share without a verdict allowed.")] = 0.0,
    recipe: RecipeName = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
) -> None:
    """Exit with 1 if a scorecard misses its limits."""
    from sparring.measure.limits import Limits, check_limits
    from sparring.report.junit import write_junit
    from sparring.run import find_cards

    typed = Limits(max_broken, max_broken_held_out, min_clean, max_undecided)
    stated = flags.limits_of(recipe)
    cards = {name: card for place in places for name, card in find_cards(place).items()}
    absent = [name for name in stated if name not in cards]
    if absent:
        raise InvalidSpec(f"limits are set for {', '.join(absent)}, but the scorecards are {', '.join(cards)}.")
    findings = {
        name: check_limits(card, stated.get(name, typed))
        for name, card in cards.items()
        if not stated or name in stated
    }
    if junit is not None:
        write_junit(findings, junit)
    for name, found in findings.items():
        for one in found:
            _say(f"{'passed' if one.passed else 'FAILED'}  {name}  {one.text}")
    if not all(one.passed for found in findings.values() for one in found):
        raise typer.Exit(1)


@verb
def export(
    place: Annotated[Path, typer.Argument(help="Folder of one run: of a repair, or found.")],
    out: Annotated[Path | None, typer.Option("--out", help="A file; the terminal without it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="What held, too.")] = False,
    attack_cases: Annotated[
        bool, typer.Option("--attack-cases", help="Say that you want attack cases and the replies they drew.")
    ] = False,
) -> None:
    """Write the attack cases of a language-model run as lines of JSON, with a notice."""
    from sparring.measure.export import NOTICE, exported
    from sparring.measure.store import saving
    from sparring.run import find_cards

    if not attack_cases:
        raise InvalidSpec(f"this writes unfolded text. {NOTICE} If that is what you want, say --attack-cases.")
    (name, card), *more = find_cards(place).items()
    if more:
        raise InvalidSpec(f"{place} holds several runs; name the folder of one, such as {place / name}.")
    record = place if (place / "sparring.db").is_file() else place.parent
    lines = exported(record, card, broken_only=not every)
    if out is None:
        for line in lines:
            print(visible(line))  # JSON stays JSON
        return
    with saving(out.parent), out.with_name(out.name + ".part").open("w", encoding="utf-8") as file:
        count = sum(file.write(line + "\n") > 0 for line in lines) - 1
    out.with_name(out.name + ".part").replace(out)
    _say(f"{count} attack cases: {out}")


@verb
def ui(
    workspace: Annotated[Path, typer.Argument(help="The folder with the folders of runs.")] = _RUNS,
    port: Annotated[int, typer.Option("--port", help="0 for any that is free.")] = 0,
    target: Annotated[str | None, typer.Option("--target", help=_TARGETS)] = None,
    model: ModelName = None,
    harm: Annotated[list[str] | None, typer.Option("--harm", help="A name or a node; may be repeated.")] = None,
    system: Annotated[str, typer.Option("--system", help="System prompt that the target works under.")] = "",
    cases: Annotated[int, typer.Option("--cases", help="Goals per harm, at most.")] = 40,
    recipe: RecipeName = None,
) -> None:
    """Attack by hand, judge the replies and fill the case book, on a page of this machine."""
    from sparring.ui.serve import serve

    if target is not None and recipe is not None:
        raise InvalidSpec("name a --target or a --recipe to attack, not both.")
    given = None
    if target is not None:
        given = flags.red_recipe_of(
            target, model, None, None, harm or ["desk"], None, system, cases, None, {"as-is": None}, []
        )
    elif recipe is not None:
        given = flags.red_recipe_named(recipe)
    serve(workspace, port, given, told=lambda address: print(f"open {address}\nCtrl-C ends it.", flush=True))


@verb
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="attacks, defences, harms, suites or recipes; all by default.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only what works on this kind of target.")] = None,
) -> None:
    """List what can be named in a recipe."""
    from rich.table import Table

    from sparring.catalogue import KINDS, entries
    from sparring.console import out

    for one in [kind] if kind else KINDS if target is None else KINDS[:2]:
        table = Table(title=one, title_justify="left", box=None, padding=(0, 2, 0, 0))
        found = entries(one, target)
        shown = [key for key in ("name", "family", "needs", "sentence") if any(getattr(entry, key) for entry in found)]
        for key in shown:
            table.add_column({"sentence": ""}.get(key, key), no_wrap=key == "name", overflow="fold")
        for entry in found:
            table.add_row(*[getattr(entry, key) for key in shown])
        out.print(table)
        out.print()


def _red_team(asked: "RedRecipe", out: Path | None, minutes: float | None, command: str) -> None:
    """One campaign with its bars, table and report."""
    from sparring import red_team
    from sparring.console import Bars

    folder = out or _RUNS / asked.name
    with Bars() as bars:
        cards = red_team.run(
            asked, folder, minutes=minutes, progress=lambda name: bars.within(f"{name}: "), tell=bars.say
        )
    _tell(list(cards.values()), folder / _REPORT, asked.name, command)


def _replay_book(asked: "RedRecipe", earlier: Path, target: str | None, model: str | None, out: Path | None) -> None:
    """The case book of a red-team run, on the same target or another."""
    from sparring import red_team
    from sparring import run as runs
    from sparring.console import Bars
    from sparring.core.book import holds_book

    places = [earlier]
    if (earlier / "recipe.json").is_file() and not holds_book(earlier):
        # Of the whole run: what broke the target before any repair, and what people added.
        first = next((name for name, node in asked.repairs.items() if node is None), next(iter(asked.repairs), "as-is"))
        people = earlier / red_team.PEOPLE
        places = [one for one in (earlier / red_team.FOUND, earlier / first) if one.is_dir()]
        places += [people] if holds_book(people) else []
    cards = [
        (place, card) for place in places for card in ([None] if holds_book(place) else runs.find_cards(place).values())
    ]
    if target is not None:
        asked = asked.model_copy(update={"target": flags.full_path(target), "model": model})
    folder = out or earlier / f"replay-{re.sub(r'[^A-Za-z0-9]+', '-', Path(str(target or 'again')).stem)}"
    with Bars() as bars:
        found = red_team.replayed(asked, cards, folder, bars)
    told = next((card.target for _, card in reversed(cards) if card is not None), "case book")
    _tell([found], folder / _REPORT, f"{told} on {found.target}", _command())


def _tell(cards: "list[Scorecard]", path: Path, title: str, command: str) -> None:
    """One table on stdout, the report beside the record."""
    from sparring.console import out
    from sparring.report.html import write_report
    from sparring.report.table import comparison_table

    out.print(comparison_table(cards))
    write_report(cards, path, title=title, command=command)
    _say(f"report: {path}")


def _say(text: object, *, error: bool = False) -> None:
    """Prints what may hold the words of a model, a server or an adversary."""
    print(shown(str(text)), file=sys.stderr if error else sys.stdout)


def _command() -> str:
    return shlex.join(["sparring", *sys.argv[1:]])


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
