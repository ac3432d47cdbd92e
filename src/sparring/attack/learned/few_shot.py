"""Stochastic few-shot: the worst questions so far, drawn by their reward, show the red model what to write."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparring.attack.learned.pool import Tried, as_harms, harms_of, pool
from sparring.attack.learned.red import Desk, Pen, RedLM, normalised, numbered
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import Chat


@dataclass(frozen=True)
class FewShot(RedLM):
    """Zero-shot questions are asked first; each case's prompt then lists some of them, drawn by the reward they earned.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 3.1: 5 examples, drawn without replacement with probability
    proportional to exp(r / T), T = 0.1, anew for each question.
    Differs: drawn as the largest of r / T plus Gumbel noise, which is the same (Kool et al., 2019, arXiv:1903.06059);
    examples come from questions to the same prompt; what repeats a question of the pool is thrown away; the pool has
    hundreds of questions, the paper's half a million. Otherwise as zero-shot.
    Cost per case: about 2 continuations by the red model; before that, for each harm, `zero_shot` forwards of the
    target and twice as many continuations.

    Args:
        red: the red language model; None lets the target itself play it.
        harms: whose `reward` is learned from, one or several; it is never the judge.
        zero_shot: questions per harm that examples are drawn from.
        temperature: T; the smaller, the more the worst alone are shown.
        examples: shown in each prompt.
        pool_seed: of these questions.
        tokens: of one question, at most.
        tries: candidates per case, at most.
        fingerprint: of the red model.

    Raises:
        InvalidSpec: for a temperature that is not positive, no example, or fewer questions than examples.
    """

    family = "few-shot"

    harms: Harm | Sequence[Harm] = ()
    zero_shot: int = 256
    temperature: float = 0.1
    examples: int = 5
    pool_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "harms", as_harms(self.harms))
        self._check_fields()
        if not self.temperature > 0 or self.examples < 1 or self.zero_shot < self.examples:
            raise InvalidSpec(
                "FewShot needs a positive temperature, an example or more and at least as many zero-shot questions; got "
                f"{self.temperature}, {self.examples} and {self.zero_shot}."
            )

    def pens(self, desk: Desk) -> dict[str, Pen]:
        harms = harms_of(desk, self.harms, self.name)
        tried = pool(desk, harms, self.zero_shot, self.pool_seed, self.sampling, self.tries)
        return {name: self._pen(desk.red, own) for name, own in tried.items()}

    def _pen(self, chat: Chat, tried: list[Tried]) -> Pen:
        by_prompt: dict[str, list[Tried]] = {}
        for one in tried:
            by_prompt.setdefault(one.prompt, []).append(one)

        def lead(prompt: str, seed: Seed) -> str:
            own = by_prompt.get(prompt, [])
            drawn = drawn_by_reward(
                [one.reward for one in own], self.examples, self.temperature, seed.child("examples")
            )
            return numbered(prompt, [own[k].question for k in drawn])

        return Pen(chat, lead, frozenset(normalised(one.question) for one in tried))


def drawn_by_reward(rewards: Sequence[float], count: int, temperature: float, seed: Seed) -> list[int]:
    """Positions drawn without replacement, each next with probability proportional to exp(reward / temperature)."""
    noise = seed.numpy().gumbel(size=len(rewards))
    order = np.argsort(-(np.asarray(rewards, dtype=float) / temperature + noise), kind="stable")
    return [int(k) for k in order[:count]]
