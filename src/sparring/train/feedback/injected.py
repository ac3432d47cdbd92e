"""Injected: what the trainings against prompt injection share: attempts made of templates, and untouched conversations."""

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.attack.prompt import template_table
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import digest, to_spec
from sparring.core.target import Hardening, Target
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat, OpenChat, Sampling
from sparring.domains.language.tokens import prompt_tokens
from sparring.domains.language.tune import ADAMW, Objective, fine_tuned
from sparring.train.feedback.material import Again, Mixed
from sparring.train.feedback.remembered import Remembered

TRAINING = dataclasses.replace(ADAMW, batch=8, peak=5e-4)


@dataclass(frozen=True)
class Attempted:
    """Attempts on a chat as its model reads them, and the two replies to each; equally many of all.

    Args:
        prompts: what the model was given to continue, the chat template filled in.
        safe: what it should say.
        obeying: what it says once it gives in: the aim's opening, and the proof where the opening does not hold it.
        written: the adversary's tokens, from `far` to `near` tokens before the prompt's end (`far` is not below `near`).
    """

    prompts: list[str]
    safe: list[str]
    obeying: list[str]
    written: list[tuple[int, int]]


@dataclass(frozen=True)
class Benign:
    """Prompts without an attack and the target's own likeliest replies; gone through until there were `size`."""

    prompts: list[str]
    replies: list[str]
    size: int


@dataclass(frozen=True, kw_only=True)
class FromInjections(Defence):
    """Base of the trainings that make attempts of templates where an adversary may write, and learn from them.

    Nobody is asked whether an attempt works: the attempts are made for each case and not found. What the target says to
    the untouched conversations is held where it was by the KL divergence from the target as it was.

    Args:
        families: of the templates that attempts are made of.
        threat: where the adversary may write.
        harms: whose benign conversations (`Harm.benign`) are kept up beside the untouched ones.
        benign: more questions to keep up.
        share: of the benign items among all.
        retention: weight of what holds the benign replies.
        rank: of the adapters.
        steps: of the optimiser.
        schedule: optimiser, batch size and learning rate.

    Raises:
        InvalidSpec: for settings that mean nothing, or families without templates.
    """

    families: tuple[str, ...] = ("naive", "ignore-previous", "context-completion")  # type: ignore[assignment]
    threat: Injection = Injection()
    harms: tuple[Any, ...] = ()
    benign: tuple[str, ...] = ()
    share: float = 0.5
    retention: float = 8.0
    rank: int = 8
    steps: int = 24
    schedule: Schedule = TRAINING

    needs_target = OpenChat
    searches = True

    def __post_init__(self) -> None:
        for name in ("families", "harms", "benign"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 0 <= self.share < 1 or self.retention < 0 or self.rank < 1 or self.steps < 1:
            raise InvalidSpec(
                f"{self.name} needs a share in [0, 1), a retention of 0 or more, and a rank and steps of 1 or more; "
                f"got {self.share}, {self.retention}, {self.rank} and {self.steps}."
            )
        if not isinstance(self.threat, Injection):
            raise InvalidSpec(f"{self.name} needs the threat Injection; got {type(self.threat).__name__}.")
        known = template_table.families()
        unknown = [name for name in self.families if name not in known]
        if unknown or not self.families:
            raise InvalidSpec(
                f"{self.name} makes attempts of templates, whose families are {', '.join(known)}; got "
                f"{', '.join(unknown) or 'none'}."
            )

    @property
    def passes(self) -> int:
        """Forwards, or as many passes of that cost, that one attempt takes."""
        return 3

    @property
    def effort(self) -> int:
        """The passes of all attempts; of a benign item its reply, three passes and one of the target as it was."""
        return round(self.steps * self.schedule.batch * ((1 - self.share) * self.passes + self.share * 5))

    @abstractmethod
    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        """What is learned from the attempts, one item each, beside the benign items."""

    def mounted(self, chat: OpenChat, step: Hardening) -> Chat:
        """The trained chat as it is asked later: here, bare."""
        same = chat.with_model(chat.model)
        same.lineage = (*chat.lineage, step)
        return same

    def refuse_misfit(self, target: Target) -> None:
        if not isinstance(target, OpenChat):
            raise Incompatible(
                f"{self.name} needs a target whose weights are at hand (LocalChat); got {type(target).__name__}. Of an "
                "agent or a wrapped chat pass `innermost`; for others there are the defences that wrap."
            )

    def refuse_data(self, data: Cases) -> None:
        """Raises InvalidCases unless every case says what an adversary wants, and what should be said instead."""
        if not len(data):
            raise InvalidCases(f"{self.name} makes its attempts on benign conversations; there are none.")
        self.threat.check(data)
        for case, aim in zip(data.ids, data.goals, strict=True):
            if not aim.safe.strip() or not _obeying(aim):
                raise InvalidCases(
                    f"{self.name} needs aims with a safe reply and an opening or a proof; {case} lacks one."
                )

    def harden(
        self,
        target: OpenChat,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Chat:
        """A fine-tuned copy of the target.

        Args:
            data: untouched conversations, whose goals are aims.

        Raises:
            Incompatible: for a target without weights.
            InvalidCases: for no cases, goals that are no aims, or no attempt that fits the model's window.
        """
        seed = Seed.of(seed)
        self.refuse(target, data)
        before = target.meter.forwards
        count = self.steps * self.schedule.batch
        attacks = math.ceil(count * (1 - self.share))
        attempted = self._attempted(target, data, attacks, seed)
        benign = self._benign(target, data, count - attacks, seed)
        asked = target.meter.forwards - before
        tuned, fitted = fine_tuned(
            target, self.objective(target, attempted, benign), rank=self.rank, schedule=self.schedule, seed=seed,
            folder=workspace and Path(workspace), asked={"training": digest(to_spec(self))}, progress=progress,
            name=self.name,
        )  # fmt: skip
        made = len(attempted.prompts)
        notes = [
            f"{made} attempts on {len(data)} cases, and {benign.size} benign items with {len(benign.prompts)} replies"
        ]
        if made < attacks:
            notes.append(
                f"{attacks - made} attempts had no template or were too long for the model or the threat, and are left out"
            )
        cost = asked + self.passes * made + 3 * benign.size + len(benign.prompts)
        tuned.lineage, tuned.cache = target.lineage, target.cache  # whose keys tell the two apart
        step = Hardening(self.name, self.families, fitted.seconds, cost, tuple(notes), tuple(fitted.history))
        hardened = self.mounted(tuned, step)
        hardened.cache = target.cache
        return hardened

    def beside(self, objective: Objective, chat: OpenChat, benign: Benign) -> Objective:
        """An objective of the attempts, with the KL divergence on the benign items beside it."""
        parts: list[tuple[Objective, float]] = [(objective, 1.0)]
        if benign.prompts:
            parts.append((Again(Remembered(chat, benign.prompts, benign.replies), benign.size), self.retention))
        return Mixed(parts)

    def _attempted(self, target: OpenChat, data: Cases, count: int, seed: Seed) -> Attempted:
        """Cases in a random order, again and again; each time the next family, and a template of its own."""
        mounted = self.mounted(target, Hardening(self.name))
        made = Attempted([], [], [], [])
        order = seed.child("places").numpy().permutation(len(data))
        untouched = conversations(data.inputs)
        for k in range(count):
            turn, place = divmod(k, len(data))
            own = int(order[place])
            asked, aim = untouched[own], data.goals[own]
            draw = seed.child("template", data.ids[own], turn)
            family = self.families[(place + turn) % len(self.families)]
            rows = [row for row in template_table.rows(family) if template_table.suits(row, aim)]
            if not rows:
                continue
            row = rows[int(draw.numpy().integers(len(rows)))]
            payload = template_table.filled(row, aim, asked.messages[aim.place].text, draw)
            attempt = self.threat.inject(asked, aim, payload)
            prompt = target.prompt_of(mounted.through(attempt))
            longest = max(len(prompt_tokens(target, text)) for text in (aim.safe, _obeying(aim)))
            short = len(prompt_tokens(target, prompt)) + longest + 2 <= _window(target)
            if short and self.threat.admits(data[own : own + 1], [attempt])[0]:
                made.prompts.append(prompt)
                made.safe.append(aim.safe)
                made.obeying.append(_obeying(aim))
                plain = target.prompt_of(mounted.through(asked))
                made.written.append(_changed(prompt_tokens(target, plain), prompt_tokens(target, prompt)))
        if not made.prompts:
            raise InvalidCases(
                f"{self.name}: none of {count} attempts has a template and fits the model's window of {_window(target)} "
                f"tokens and the threat ({self.threat.describe()}). Shorten the cases, or allow more characters."
            )
        return made

    def _benign(self, target: OpenChat, data: Cases, count: int, seed: Seed) -> Benign:
        mounted = self.mounted(target, Hardening(self.name))
        own = [one for harm in self.harms for one in harm.benign(count)]
        pool = list(dict.fromkeys([*conversations(data.inputs), *own, *conversations(self.benign)]))
        order = seed.child("benign").numpy().permutation(len(pool))[:count]
        asked = [mounted.through(pool[int(k)]) for k in order]
        prompts = [target.prompt_of(one) for one in asked]
        likeliest = Sampling(target.sampling.tokens, temperature=0.0, stop=target.sampling.stop)
        replies = target.write(prompts, likeliest, [seed] * len(prompts)) if prompts else []
        told = [
            (one, text.strip())
            for one, text in zip(prompts, replies, strict=True)
            if isinstance(text, str) and text.strip()
        ]
        return Benign([one for one, _ in told], [text for _, text in told], count if told else 0)


def _obeying(aim: Aim) -> str:
    opening, proof = aim.opening.strip(), aim.proof.strip()
    return opening if proof in opening else f"{opening} {proof}".strip()


def _window(chat: OpenChat) -> int:
    return int(getattr(chat.model.config, "max_position_embeddings", 0) or 1 << 20)


def _changed(plain: Sequence[int], attacked: Sequence[int]) -> tuple[int, int]:
    """Where the attacked prompt's tokens are not those of the plain one, from and to so many tokens before its end."""
    shorter = min(len(plain), len(attacked))
    lead = next((k for k in range(shorter) if plain[k] != attacked[k]), shorter)
    tail = next((k for k in range(shorter - lead) if plain[-1 - k] != attacked[-1 - k]), shorter - lead)
    return len(attacked) - lead, tail
