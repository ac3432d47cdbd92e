"""Reference numbers for the docs: every attack on two nets, every defence on held-out attacks, on scikit-learn's digits.

    python bench/reference.py && python docs/generate.py

writes docs/reference.json; `--only learned. generative.` makes the pages whose names begin so and keeps the others. One seed, the recipe's small net (`image.nets.digits_net`), Linf 0.12 where a ball is needed, the 599 test
images. Takes about five minutes on 2 cores.
"""

import argparse
import dataclasses
import datetime
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sparring
from sparring.core.attack import Attack
from sparring.core.ball import LpBall
from sparring.core.defence import Defence
from sparring.core.schedule import Schedule
from sparring.core.target import Hardening
from sparring.core.threat import ThreatModel
from sparring.core.training import Training
from sparring.domains.image.data import digits
from sparring.domains.image.nets import digits_net
from sparring.domains.image.threat import Corruption, Patch, RotateTranslate
from sparring.measure.campaign import measure
from sparring.mitigate.detector import Detector
from sparring.mitigate.purifier import Purifier
from sparring.mitigate.stack import Stack
from sparring.train.generative.generated_data import GeneratedData

THREAT = LpBall("inf", 0.12)
SCHEDULE = Schedule(batch=64, peak=0.05)
EPOCHS = 28  # which the replays of Free divide
COMMAND = "python bench/reference.py"
OBLIVIOUS = sparring.Oblivious(sparring.PGD(steps=40))
PLACE = Path(__file__).parent.parent / "docs" / "reference.json"


def classes(root: str, base: type) -> list[type]:
    """Every concrete class of a folder."""
    package = importlib.import_module(root)
    found = []
    for info in sorted(pkgutil.walk_packages(package.__path__, f"{root}."), key=lambda one: one.name):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, base) and value.__module__ == info.name
            if own and not inspect.isabstract(value):
                found.append(value)
    return found


def short(kind: type) -> str:
    return ".".join(kind.__module__.split(".")[2:])


def threat_for(kind: type[Attack]) -> ThreatModel | None:
    """The threat that an attack is shown under; None for one that digits cannot show."""
    for threat in (THREAT, Patch(area=0.1), RotateTranslate(degrees=20, pixels=1), Corruption(severity=3)):
        if isinstance(threat, kind.needs_threat):
            return threat
    return None


def defences() -> dict[str, Defence]:
    """Every training at the same epochs, schedule and threat; mitigations on top of standard training."""
    found: dict[str, Defence] = {}
    for kind in classes("sparring.train", Training):
        if short(kind) == "sticker_training":  # learns on pictures that know their surface; see recipe stop-sign
            continue
        fields = {field.name for field in dataclasses.fields(kind)}
        settings: dict[str, Any] = {"epochs": EPOCHS, "schedule": SCHEDULE}
        if "threat" in fields:
            settings["threat"] = THREAT
        if "attack" in fields:
            settings["attack"] = sparring.PGD(steps=7)
        found[short(kind)] = kind(**settings)
    standard = found["plain.standard"]
    found["generative.generated_data"] = GeneratedData(found["minimax.adversarial_training"])
    found["detector"] = Stack([standard, Detector(THREAT)])
    found["purifier"] = Stack([standard, Purifier(THREAT)])
    return found


def percent(rate: Any) -> str:
    low, high = rate.held_interval
    return f"{100 * rate.held:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def together(lineage: Sequence[Hardening]) -> Hardening:
    """All steps of a lineage as one, for their cost."""
    return Hardening(
        lineage[-1].defence, (), sum(step.seconds for step in lineage), sum(step.forwards for step in lineage)
    )


def write(figures: dict[str, Any]) -> None:
    """What is known so far, for docs/generate.py."""
    PLACE.write_text(json.dumps(figures, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[""])
    wanted = tuple(parser.parse_args().only)
    train, test = digits("train"), digits("test")
    start = sparring.Classifier(digits_net(), classes=10, name="digits net")
    date = datetime.date.today().isoformat()
    figures, nets, rows = json.loads(PLACE.read_text()), {}, []
    for name, defence in defences().items():
        if not name.startswith((*wanted, "plain.standard", "minimax.adversarial_training")):
            continue
        hard = defence.harden(start, train, seed=0)
        nets[name] = hard
        card = measure(hard, test, THREAT, attacks=[sparring.Square(queries=1000), OBLIVIOUS], suite="standard")
        step = together(hard.lineage)
        rows.append((name, card, step))
        print(
            name,
            percent(card.clean),
            percent(card.worst()),
            percent(card.rate("square")),
            f"{step.seconds:.1f} s",
            flush=True,
        )
    base = next(step for name, _, step in rows if name == "plain.standard")
    for name, card, step in rows:
        if not name.startswith(wanted):
            continue
        figures[name] = {
            "setting": f"Digits, {THREAT.describe()}, {EPOCHS} epochs, {len(test)} test images, held % (95 % interval).",
            "rows": [
                ["clean", "suite standard", "Square, 1,000 queries (held out)", "forwards / standard"],
                [
                    percent(card.clean), percent(card.worst()), percent(card.rate("square")),
                    f"{step.forwards / base.forwards:.2f}",
                ],
            ],
            "command": COMMAND, "date": date,
        }  # fmt: skip
        if name in ("detector", "purifier"):
            heading, row = figures[name]["rows"]
            heading.append("PGD-40 that does not know of it")
            row.append(percent(card.rate("oblivious(pgd)")))
    shown = {"standard": nets["plain.standard"], "adversarial": nets["minimax.adversarial_training"]}
    for kind in classes("sparring.attack", Attack):
        name, threat = short(kind), threat_for(kind)
        if threat is None or name == "compose.transfer" or not name.startswith(wanted):
            continue
        spent = "forwards per case attacked" + (", those of 500 cases learned from included" if kind().learns else "")
        rows_of = [["net", "threat", "held % (95 % interval)", spent]]
        try:
            for net, target in shown.items():
                card = measure(target, test[:200], threat, attacks=[kind()], learn_from=train[:500])
                bout = card.bouts[-1]
                attacked = max(1, card.clean.decided - card.clean.broken)
                rows_of.append([net, threat.describe(), percent(bout.rate), f"{bout.forwards / attacked:.0f}"])
        except sparring.core.errors.SparringError as error:
            print("left out:", name, error, file=sys.stderr)
            continue
        figures[name] = {
            "setting": "Digits, the first 200 test images.",
            "rows": rows_of,
            "command": COMMAND,
            "date": date,
        }
        print(name, rows_of[1:], flush=True)
        write(figures)


if __name__ == "__main__":
    main()
