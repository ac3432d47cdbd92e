"""Reference numbers for the docs: every attack on two nets, every defence on held-out attacks, on scikit-learn's digits.

    python bench/reference.py && python docs/generate.py

writes docs/reference.json. One seed, the recipe's small net (`image.nets.digits_net`), Linf 0.12 where a ball is needed, the 599 test
images. Takes about five minutes on 2 cores.
"""

import dataclasses
import datetime
import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import sparring
from sparring.core.attack import Attack
from sparring.core.ball import LpBall
from sparring.core.schedule import Schedule
from sparring.core.threat import ThreatModel
from sparring.core.training import Training
from sparring.domains.image.data import digits
from sparring.domains.image.nets import digits_net
from sparring.domains.image.threat import Corruption, Patch, RotateTranslate
from sparring.measure.campaign import measure

THREAT = LpBall("inf", 0.12)
SCHEDULE = Schedule(batch=64, peak=0.05)
EPOCHS = 28  # which the replays of Free divide
COMMAND = "python bench/reference.py"


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


def defences() -> dict[str, Training]:
    """Every training at the same epochs, schedule and threat."""
    found = {}
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
    return found


def percent(rate: Any) -> str:
    low, high = rate.held_interval
    return f"{100 * rate.held:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def write(figures: dict[str, Any]) -> None:
    """What is known so far, for docs/generate.py."""
    place = Path(__file__).parent.parent / "docs" / "reference.json"
    place.write_text(json.dumps(figures, indent=1) + "\n")


def main() -> None:
    from sparring.attack.query.square import Square

    train, test = digits("train"), digits("test")
    start = sparring.Classifier(digits_net(), classes=10, name="digits net")
    date = datetime.date.today().isoformat()
    figures, nets, rows = {}, {}, []
    for name, defence in defences().items():
        hard = defence.harden(start, train, seed=0)
        nets[name] = hard
        card = measure(hard, test, THREAT, attacks=[Square(queries=1000)], suite="standard")
        step = hard.lineage[-1]
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
    shown = {"standard": nets["plain.standard"], "adversarial": nets["minimax.adversarial_training"]}
    for kind in classes("sparring.attack", Attack):
        name, threat = short(kind), threat_for(kind)
        if threat is None or name == "compose.transfer":
            continue
        rows_of = [["net", "threat", "held % (95 % interval)", "forwards per case attacked"]]
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
