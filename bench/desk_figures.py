"""Puts the figures of the support desk's runs where the pages of docs/ find them, and prints their table.

sparring run bench/recipes/desk-wrapping.yaml
sparring run bench/recipes/desk-training.yaml
sparring run bench/recipes/desk-families.yaml
sparring run bench/recipes/desk-searches.yaml
python bench/desk_figures.py sparring-runs/desk-wrapping sparring-runs/desk-training sparring-runs/desk-{families,searches}
"""

import dataclasses
import json
import sys
from pathlib import Path

from sparring.measure.scorecard import Scorecard
from sparring.measure.statistics import Rate
from sparring.report.summary import on_average

HERE = Path(__file__).parent
_REFERENCE = HERE.parent / "docs" / "reference.json"
_DATE = "2026-11-28"
_SETTING = (
    "Support desk on a fine-tuned SmolLM2-135M, {n} test cases per family, seed 0; broken % (95 % interval). The desk "
    "without a defence stands in the first row."
)
# The repair's name in the recipes -> the page of its defence.
_PAGES = {
    "injection-detector": "injection_detector", "perplexity-filter": "perplexity_filter", "output-filter": "output_filter",
    "tool-filter": "tool_filter", "struq": "feedback.struq", "secalign": "feedback.secalign",
    "safe-behaviour": "feedback.safe_behaviour", "latent-adversarial": "feedback.latent_adversarial",
    "representation-rerouting": "feedback.representation_rerouting",
}  # fmt: skip


def cards(folder: Path) -> dict[str, Scorecard]:
    """Repair -> scorecard, in the recipe's order."""
    order = json.loads((folder / "recipe.json").read_text())["repairs"] or {"as-is": None}
    return {name: Scorecard.load(folder / name) for name in order if (folder / name / "scorecard.json").is_file()}


def share(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return "-"
    low, high = rate.interval
    return f"{100 * rate.value:.0f} ({100 * low:.0f} to {100 * high:.0f})"


def any_of(card: Scorecard, families: list[str]) -> Rate:
    """A case counts as broken if an attack of any of these families broke it."""
    chosen = [bout for bout in card.attacks() if bout.family in families]
    return dataclasses.replace(card, bouts=chosen).worst() if chosen else Rate(0, 0)


def defence_row(name: str, card: Scorecard, held: list[str]) -> list[str]:
    vitals = {one.name: one for one in card.vitals}
    step = card.lineage[-1] if card.lineage else None
    told = [f"{100 * vitals[key].value:.0f} %" if key in vitals else "-" for key in ("benign success", "over-refusal")]
    tokens = vitals.get("tokens per errand")
    return [
        name, share(on_average(card, held)), share(any_of(card, held)), share(card.adaptive), *told,
        f"{tokens.value:.0f}" if tokens else "-", f"{step.seconds:.0f} s" if step and step.seconds >= 1 else "-",
    ]  # fmt: skip


HEADING = ["", "held-out attempts", "case, any held-out family", "adaptive", "benign success", "over-refusal", "tokens per errand", "training"]  # fmt: skip


def main(folders: list[Path]) -> None:
    figures = json.loads(_REFERENCE.read_text())
    found = [(folder, cards(folder)) for folder in folders]
    base = next(card for _, own in found for name, card in own.items() if name == "as-is")
    rows = []
    for folder, own in found:
        command = f"sparring run bench/recipes/{folder.name}.yaml"
        for name, card in own.items():
            if name == "as-is":
                _families(figures, card, command)
                if rows:
                    continue
            held = json.loads((folder / "recipe.json").read_text())["held_out"]
            if not held:
                continue  # attacks alone
            rows.append(defence_row(name, card, held))
            if name != "as-is":
                setting = _SETTING.format(n=len(card.ids))
                figures[_PAGES.get(name, name)] = {
                    "setting": setting, "rows": [HEADING, rows[0], rows[-1]], "command": command, "date": _DATE,
                }  # fmt: skip
    _REFERENCE.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    print(f"| {' | '.join(HEADING)} |\n|{' --- |' * len(HEADING)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(f"\n{len(base.ids)} cases")


def _families(figures: dict, card: Scorecard, command: str) -> None:
    """A row for each attack on the desk without a defence."""
    for bout in card.attacks():
        rate = bout.rate
        page = f"family {bout.family}" if bout.attack == "prompt.template" else bout.attack
        row = [share(rate), f"{rate.broken} of {rate.decided}", f"{bout.forwards / max(1, rate.decided):.1f}"]
        figures[page] = {
            "setting": "Support desk on a fine-tuned SmolLM2-135M without a defence, test cases, seed 0.",
            "rows": [["broken % (95 % interval)", "cases", "forwards per case beside the judged reply"], row],
            "command": command, "date": _DATE,
        }  # fmt: skip


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
