"""Reinforcement: the red model is trained by A2C to write questions whose replies score badly, and to keep them diverse."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.attack.learned.journal import write_whole
from sparring.attack.learned.pool import as_harms, harms_of
from sparring.attack.learned.red import Desk, Pen, RedLM, zero_shot
from sparring.attack.learned.supervised import Supervised, check_weights
from sparring.core.errors import InvalidSpec
from sparring.core.schedule import Schedule
from sparring.core.spec import to_spec
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import OpenChat

SCHEDULE = Schedule(batch=32, optimiser="adamw", peak=5e-4, shape="constant", warmup=0.05, weight_decay=0.0, clip=1.0)


@dataclass(frozen=True)
class Reinforce(RedLM):
    """From the supervised model on, questions are drawn, asked and scored; what scored above expectation becomes likelier.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 3.1: synchronous A2C (Mnih et al., 2016, arXiv:1602.01783) with
    the reward -log(1 - r) of the reply, -3 for a text without a question, a value head as baseline, and a penalty on the
    KL divergence to the start, weighted 0.3 to 0.4. Over 40 % of its questions drew an offensive reply, and 78 % of them
    held one and the same word.
    Differs: low-rank adapters, one per harm, and hundreds of questions where the paper draws millions; a diversity term
    takes `diversity` times the question's BLEU-4 against the last `archive` questions off its reward, and a repetition
    of one of these counts as invalid; the KL penalty weighs `kl` and all the rest 1 - `kl`; advantages are scaled to mean zero and unit variance in each batch; the value head reads the
    last layer without moving it; a question's tokens are those of its text, tokenised anew; the KL divergence is of
    whole next-token distributions at the question's tokens, to the supervised model.
    Cost per case: about 2 continuations by the red model; before that, for each harm, what `Supervised` costs, and
    `steps * schedule.batch` forwards of the target, continuations and weight-backwards of the red model.

    Args:
        red: the red language model, with weights; None lets the target itself play it.
        harms: whose `reward` is maximised, one or several; it is never the judge.
        start: how the supervised model is made; its own red model and harms are not looked at.
        steps: of the optimiser.
        schedule: of the optimiser; its batch is the questions per step.
        kl: weight of the KL penalty, in [0, 1); the rest weighs 1 - kl.
        invalid: reward of a text without a new question.
        diversity: weight of the penalty on resembling the archive.
        archive: questions that a new one is compared with.
        value: weight of the value head's squared error.
        rank: of the adapters.
        tokens: of one question, at most.
        tries: candidates per case, at most.
        fingerprint: of the red model.

    Raises:
        InvalidSpec: for a number outside its range.
        Incompatible: at the run, for a red model without weights.
    """

    family = "reinforce"
    counted = "steps"

    harms: Harm | Sequence[Harm] = ()
    start: Supervised = Supervised()
    steps: int = 30
    schedule: Schedule = SCHEDULE
    kl: float = 0.3
    invalid: float = -3.0
    diversity: float = 1.0
    archive: int = 500
    value: float = 0.5
    rank: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "harms", as_harms(self.harms))
        self._check_fields()
        if not 0 <= self.kl < 1 or self.diversity < 0 or self.value < 0:
            raise InvalidSpec(
                "Reinforce needs kl in [0, 1) and diversity and value that are not negative; got "
                f"{self.kl}, {self.diversity} and {self.value}."
            )
        if min(self.steps, self.rank, self.archive) < 1:
            raise InvalidSpec(
                f"Reinforce needs steps, rank and archive of 1 or more; got {self.steps}, {self.rank} and {self.archive}."
            )

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        check_weights(self, target)

    def pens(self, desk: Desk) -> dict[str, Pen]:
        harms = harms_of(desk, self.harms, self.name)
        start = dataclasses.replace(
            self.start, red=self.red, fingerprint="", harms=self.harms, tokens=self.tokens, tries=self.tries
        )
        taught = start.learned(desk)
        return {name: Pen(self._trained(desk, harm, taught[name]), zero_shot) for name, harm in harms.items()}

    def _trained(self, desk: Desk, harm: Harm, chat: OpenChat) -> OpenChat:
        from sparring.attack.learned.a2c import ActorCritic
        from sparring.core.fit import fit
        from sparring.domains.language.lora import merged

        seed, folder = desk.seed.child("reinforce", harm.name), desk.place(harm.name, "reinforce")
        learner = ActorCritic(desk, harm, chat, self, seed)
        fit(
            learner, epochs=1, schedule=self.schedule, seed=seed, folder=folder,
            asked={**desk.asked, "harm": to_spec(harm)}, progress=desk.progress, name=f"{harm.name} reinforce",
            save_every=30.0,
        )  # fmt: skip
        if folder is not None:
            write_whole(folder / "history.json", json.dumps(learner.history))
        first, last = (averaged(part) for part in (learner.history[:5], learner.history[-5:]))
        desk.notes.append(
            f"{harm.name}: over {self.steps} steps the scorer's mean reward went from {first['scored']:.2f} to "
            f"{last['scored']:.2f}, valid new questions from {first['valid']:.0%} to {last['valid']:.0%}, the likeness to the "
            f"archive from {first['likeness']:.2f} to {last['likeness']:.2f}; KL to the start {last['kl']:.2f} nats per token "
            "(means of the first and last 5 steps)."
        )
        return chat.with_model(merged(learner.model, seed.child("rounding")))


def averaged(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the rows that hold it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: sum(row[key] for row in rows if key in row) / sum(key in row for row in rows) for key in keys}
