"""The attempts that a mitigation learns from: attacks named, prepared once on the bare classifier, and run on its cases."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.threat import Projectable, ThreatModel
from sparring.domains.image.target import Classifier

_BLOCK = 256
Attacks = Sequence[Attack[Any, Any, Any]]


def refuse_attacks(owner: str, attacks: Attacks, threat: ThreatModel, task: str) -> None:
    """Raises InvalidSpec unless there are attacks, and a radius at which they have something to do.

    Args:
        owner: for the sentences.
        task: what there would be to do at a larger radius, such as `see in an image`.
    """
    strangers = [one for one in attacks if not isinstance(one, Attack)]
    if strangers or not attacks:
        raise InvalidSpec(
            f"{owner} needs attacks to learn from, such as [PGD(steps=10)]; got {(strangers or [attacks])[0]!r}."
        )
    if isinstance(threat, Projectable) and not bool(torch.as_tensor(threat.radius).gt(0).any()):
        raise InvalidSpec(
            f"{owner} needs a threat with a radius above 0, for at zero there is nothing to {task}; "
            f"got {threat.describe()}. Name the radius that it is to defend against."
        )


def families_of(attacks: Attacks) -> tuple[str, ...]:
    """The families of attacks and of what they are made of, each once."""
    return tuple(dict.fromkeys(part.family for attack in attacks for part in attack.parts))


def prepared(
    attacks: Attacks, classifier: Classifier, cases: Cases, threat: ThreatModel, seed: Seed, folder: Path | None
) -> list[Attack[Any, Any, Any]]:
    """The attacks, those that learn with what they learned on these cases; each has a folder of its own."""
    ready = []
    for number, attack in enumerate(attacks):
        place = None if folder is None else folder / f"attack-{number + 1}"
        own = seed.child("learn", number)
        ready.append(attack.prepare(classifier, cases, threat, seed=own, workspace=place))
    return ready


def attempts_on(cases: Cases, ready: Attacks, classifier: Classifier, threat: ThreatModel, seed: Seed) -> list[Tensor]:
    """One attempt on every case for each attack, in the cases' shape."""
    return [
        torch.cat([
            attack.run(classifier, block, threat, seed=seed.child("attack", number)).inputs
            for block in cases.blocks(_BLOCK)
        ])
        for number, attack in enumerate(ready)
    ]  # fmt: skip
