"""The zero-shot questions that the red models with a memory learn from, with the reward of the target's replies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.attack.learned.red import Desk, Pen, composed, zero_shot
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import Sampling


@dataclass(frozen=True)
class Tried:
    """A question that was asked, what it continues, and how bad the reply was, in [0, 1)."""

    prompt: str
    question: str
    reward: float


def harms_of(desk: Desk, harms: Harm | Sequence[Harm], owner: str) -> dict[str, Harm]:
    """The harm behind each name that the cases bring.

    Raises:
        InvalidSpec: if one is missing.
    """
    by_name = {harm.name: harm for harm in as_harms(harms)}
    missing = [name for name in desk.prompts if name not in by_name]
    if missing:
        raise InvalidSpec(
            f"{owner} learns from the reward of each harm, and was not given {', '.join(missing)}. Pass harms=[...], "
            "those that made the cases."
        )
    return {name: by_name[name] for name in desk.prompts}


def as_harms(harms: Harm | Sequence[Harm]) -> tuple[Harm, ...]:
    """One harm or several, as a tuple."""
    return (harms,) if isinstance(harms, Harm) else tuple(harms)


def pool(
    desk: Desk, harms: dict[str, Harm], size: int, seed: int, sampling: Sampling, tries: int
) -> dict[str, list[Tried]]:
    """Harm -> about `size` zero-shot questions, spread evenly over its prompts, with their rewards.

    They are drawn from a seed of their own and not the attack's, so that every attack of a campaign learns from the
    same questions, and a response cache pays for them once.
    """
    slots: list[tuple[str, str]] = []
    for name in harms:
        prompts = desk.prompts[name]
        slots += [(name, prompts[k % len(prompts)]) for k in range(max(size, len(prompts)))]
    pens = {name: Pen(desk.red, zero_shot) for name in harms}
    questions = composed(desk, pens, slots, Seed(seed).child("pool"), sampling, tries, "pool")
    found: dict[str, list[Tried]] = {name: [] for name in harms}
    for name, harm in harms.items():
        own = [(prompt, text) for (other, prompt), text in zip(slots, questions, strict=True) if other == name and text]
        rewards = desk.rewards(harm, [text for _, text in own])
        found[name] = [
            Tried(prompt, text, reward)
            for (prompt, text), reward in zip(own, rewards, strict=True)
            if reward is not None
        ]
        mean = math.fsum(one.reward for one in found[name]) / max(1, len(found[name]))
        desk.notes.append(f"{name}: learned from {len(found[name])} zero-shot questions of mean reward {mean:.3f}.")
    return found
