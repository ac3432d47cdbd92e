"""Supervised: the red model is fine-tuned on the questions that broke the target when it wrote zero-shot."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.attack.learned.pool import Tried, as_harms, harms_of, pool
from sparring.attack.learned.red import Desk, Pen, RedLM, numbered, zero_shot
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.schedule import Schedule
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import OpenChat

SCHEDULE = Schedule(batch=8, optimiser="adamw", peak=1e-3, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=1.0)


@dataclass(frozen=True)
class Supervised(RedLM):
    """One epoch of likelihood on the failing zero-shot questions, then sampling as zero-shot.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 3.1: one epoch on the zero-shot cases that drew a harmful reply.
    Differs: low-rank adapters, one per harm, and not all weights; a question fails where the reward is above
    `threshold`; with fewer than `fewest` of these, the `fewest` of the largest positive reward are learned, and the
    report says so; with none, the red model stays as it was. Only the question's own tokens and the line break after
    them are learned.
    Cost per case: about 2 continuations by the red model; before that, for each harm, `zero_shot` forwards of the
    target, twice as many continuations, and one epoch of training on the failures.

    Args:
        red: the red language model, with weights; None lets the target itself play it.
        harms: whose `reward` is learned from, one or several; it is never the judge.
        zero_shot: questions per harm that are asked first.
        threshold: of the reward, in [0, 1).
        fewest: questions to learn from, at least.
        epochs: passes over them.
        rank: of the adapters.
        schedule: of the fine-tuning.
        pool_seed: of the zero-shot questions.
        tokens: of one question, at most.
        tries: candidates per case, at most.
        fingerprint: of the red model.

    Raises:
        InvalidSpec: for a number outside its range.
        Incompatible: at the run, for a red model without weights.
    """

    family = "supervised"

    harms: Harm | Sequence[Harm] = ()
    zero_shot: int = 500
    threshold: float = 0.5
    fewest: int = 32
    epochs: int = 1
    rank: int = 8
    schedule: Schedule = SCHEDULE
    pool_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "harms", as_harms(self.harms))
        self._check_fields()
        if not 0 <= self.threshold < 1 or min(self.zero_shot, self.fewest, self.epochs, self.rank) < 1:
            raise InvalidSpec(
                "Supervised needs a threshold in [0, 1) and zero_shot, fewest, epochs and rank of 1 or more; got "
                f"{self.threshold}, {self.zero_shot}, {self.fewest}, {self.epochs} and {self.rank}."
            )

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        check_weights(self, target)

    def pens(self, desk: Desk) -> dict[str, Pen]:
        return {name: Pen(chat, zero_shot) for name, chat in self.learned(desk).items()}

    def learned(self, desk: Desk) -> dict[str, OpenChat]:
        """Harm -> the red model fine-tuned for it."""
        harms = harms_of(desk, self.harms, self.name)
        tried = pool(desk, harms, self.zero_shot, self.pool_seed, self.sampling, self.tries)
        return {name: self._taught(desk, name, own) for name, own in tried.items()}

    def _taught(self, desk: Desk, name: str, tried: list[Tried]) -> OpenChat:
        from sparring.domains.language.tune import Continue, tune

        red = desk.red
        assert isinstance(red, OpenChat)
        failed = failures(tried, self.threshold, self.fewest)
        above = sum(one.reward > self.threshold for one in tried)
        desk.notes.append(
            f"{name}: {above} of {len(tried)} zero-shot questions had a reward above {self.threshold:g}; fine-tuned on the "
            f"{len(failed)} of the largest reward."
            if failed
            else f"{name}: no zero-shot question earned any reward, so the red model stays as it was."
        )
        if not failed:
            return red
        objective = Continue(
            red, [numbered(one.prompt) for one in failed], [f" {one.question}\n" for one in failed], end=False
        )
        schedule = dataclasses.replace(self.schedule, batch=min(self.schedule.batch, len(failed)))
        return tune(
            red, objective, rank=self.rank, epochs=self.epochs, schedule=schedule, seed=desk.seed.child("tune", name),
            folder=desk.place(name, "supervised"), progress=desk.progress, name=f"{name} supervised",
        )  # fmt: skip


def failures(tried: Sequence[Tried], threshold: float, fewest: int) -> list[Tried]:
    """Those above the threshold; where they are too few, those of the largest positive reward."""
    ordered = sorted((one for one in tried if one.reward > 0), key=lambda one: -one.reward)
    return ordered[: max(fewest, sum(one.reward > threshold for one in ordered))]


def check_weights(attack: RedLM, target: Target) -> None:
    """Raises Incompatible unless the red model's weights are at hand."""
    red = target if attack.red is None else attack.red
    if not isinstance(red, OpenChat):
        raise Incompatible(
            f"{attack.name} trains its red model, whose weights must be at hand; got {type(red).__name__}. Pass "
            "red=LocalChat(...), or use ZeroShot or FewShot."
        )
