"""Red search: what PAIR, TAP and Crescendo share: a red language model writes, the target replies, a scorer points the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sparring.attack.prompt.brief import Brief, proposed
from sparring.attack.prompt.scorer import Closeness, Scorer
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Target
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat, Sampling, Unanswered


@dataclass(frozen=True)
class Try:
    """One text that was tried.

    Args:
        text: what the red model wrote.
        attempt: what the target was asked.
        reply: its answer; None if there was none, which proves nothing.
        score: in [0, 1] by the scorer; 0 where it could not tell.
    """

    text: str
    attempt: Conversation
    reply: str | None
    score: float

    @property
    def reached(self) -> bool:
        return self.score >= 1


@dataclass(frozen=True)
class Slot:
    """A text that has to be written.

    Args:
        case: position of its case in the batch.
        names: of its seed, below the case's.
        brief: for the red model.
        place: text -> what the target is asked.
        known: texts that are not wanted again.
        read: the red model's answer -> the text in it, if it can be used.
    """

    case: int
    names: tuple[str, ...]
    brief: Brief
    place: Callable[[str], Conversation]
    known: frozenset[str] = frozenset()
    read: Callable[[Any], str | None] = proposed


@dataclass(frozen=True)
class RedSearch(Attack[Chat, Cases, Injection]):
    """Base of the searches with a red language model, with the settings that all of them have.

    A red model that can continue a text (`Chat.write`: local models, endpoints with completions) continues the brief
    after `Improved text:` up to the line's end, which models too small to follow orders can do as well. One that only
    chats gets the brief as a conversation, is asked for JSON, and draws with its own sampling. Both are read alike:
    JSON with a `prompt`, or plain text. What it declines to write, leaves empty, repeats, or the threat forbids is drawn
    again, `tries` times at most. A case for which nothing usable came at all is refused. A text that the target never
    answered proves nothing: where no other reached the aim it is the attempt, so that the campaign asks it again.

    A killed search goes on where the reply caches of target and red model (`Chat.cache`) end.

    Args:
        red: the red language model; None lets the target itself play it.
        tokens: of one text, at most, where the red model continues.
        tries: draws per text, at most.
        scorer: what guides the search; never who grades the campaign.
        fingerprint: tells two red models apart in a record; follows from the red model.
    """

    red: Chat | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    tokens: int = 80
    tries: int = 3
    scorer: Scorer = Closeness()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        self._check_fields()

    def drawn(self, target: Target, texts: int) -> int:
        """Forwards of the target that go into so many texts: none, unless it plays the red model itself."""
        return texts * self.tries if self.red is None or self.red.meter is target.meter else 0

    def _check_fields(self) -> None:
        """Raises InvalidSpec for settings that mean nothing, or a red model that is not the spec's."""
        if self.tokens < 4 or self.tries < 1:
            raise InvalidSpec(f"{self.name} needs 4 tokens and 1 try or more; got {self.tokens} and {self.tries}.")
        actual = self.fingerprint if self.red is None else self.red.fingerprint()
        if self.fingerprint and actual != self.fingerprint:
            raise InvalidSpec(
                f"{self.name} was given a red model with fingerprint {actual}, but its spec says {self.fingerprint}. "
                "Pass the model of the spec, or leave the fingerprint out."
            )
        object.__setattr__(self, "fingerprint", actual)


class Duel:
    """One search over a batch of cases: writes texts, asks them, and keeps what came of them.

    Raises:
        InvalidCases: for cases without aims, or whose aim writes where it cannot.
    """

    def __init__(self, attack: RedSearch, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> None:
        threat.check(cases)
        self.attack, self.target, self.cases, self.threat = attack, target, cases, threat
        self.red = attack.red if attack.red is not None else target
        self.seeds = [seed.child(attack.family, i) for i in cases.ids]
        self.own = [Conversation.of(one) for one in cases.inputs]
        self.aims: list[Aim] = list(cases.goals)
        self.tried: list[list[Try]] = [[] for _ in cases.ids]
        self._continues = _continues(self.red)

    def open(self, case: int) -> bool:
        """Whether a case still has something to look for."""
        return not any(one.reached for one in self.tried[case])

    def known(self, case: int) -> frozenset[str]:
        """The texts that were tried on a case."""
        return frozenset(one.text for one in self.tried[case])

    def inject(self, case: int) -> Callable[[str], Conversation]:
        """Text -> the case's conversation with the text where the adversary may write."""
        return lambda text: self.threat.inject(self.own[case], self.aims[case], text)

    def written(self, slots: Sequence[Slot]) -> list[str | None]:
        """A usable text for each slot; None where `tries` draws brought none. One call of the red model per draw."""
        found: list[str | None] = [None] * len(slots)
        left = list(range(len(slots)))
        for draw in range(self.attack.tries):
            if not left:
                break
            seeds = [self.seeds[slots[k].case].child(*slots[k].names, draw) for k in left]
            for k, answer in zip(left, self._told([slots[k].brief for k in left], seeds), strict=True):
                text = slots[k].read(answer)
                if text is not None and self._usable(slots[k], text):
                    found[k] = text
            left = [k for k in left if found[k] is None]
        return found

    def asked(self, slots: Sequence[Slot], texts: Sequence[str]) -> list[Try]:
        """What the target makes of each text, in one call; kept under its case."""
        if not slots:
            return []
        attempts = [slot.place(text) for slot, text in zip(slots, texts, strict=True)]
        replies = [None if isinstance(one, Unanswered) else str(one) for one in self.target(attempts)]
        spoken = [k for k, reply in enumerate(replies) if reply and reply.strip()]
        aims = [self.aims[slots[k].case] for k in spoken]
        told = self.attack.scorer.scores(aims, [attempts[k] for k in spoken], [replies[k] or "" for k in spoken])
        scores = dict(zip(spoken, told, strict=True))
        rows = enumerate(zip(slots, texts, attempts, replies, strict=True))
        made = [Try(text, attempt, reply, scores.get(k) or 0.0) for k, (_, text, attempt, reply) in rows]
        for slot, one in zip(slots, made, strict=True):
            self.tried[slot.case].append(one)
        return made

    def tries(self, slots: Sequence[Slot]) -> list[Try | None]:
        """Each slot written and asked; None where nothing usable was written."""
        texts = self.written(slots)
        kept = [k for k, text in enumerate(texts) if text is not None]
        found: list[Try | None] = [None] * len(slots)
        for k, one in zip(kept, self.asked([slots[k] for k in kept], [texts[k] or "" for k in kept]), strict=True):
            found[k] = one
        return found

    def settled(self) -> Attempts:
        """The best try of each case; where there is none the case is refused."""
        best = [max(tried, key=_worth, default=None) for tried in self.tried]
        inputs = [own if one is None else one.attempt for own, one in zip(self.own, best, strict=True)]
        found = torch.tensor([one is not None and one.reached for one in best])
        return Attempts(inputs, found, refused=torch.tensor([one is None for one in best]))

    def _usable(self, slot: Slot, text: str) -> bool:
        if text in slot.known:
            return False
        return bool(self.threat.admits(self.cases[slot.case : slot.case + 1], [slot.place(text)])[0])

    def _told(self, briefs: Sequence[Brief], seeds: Sequence[Seed]) -> Sequence[str | Unanswered]:
        if not self._continues:
            return list(self.red([brief.conversation(seed) for brief, seed in zip(briefs, seeds, strict=True)]))
        sampling = Sampling(tokens=self.attack.tokens, top_p=0.95, temperature=1.0, stop=("\n",))
        return self.red.write([brief.text for brief in briefs], sampling, seeds)


def _worth(one: Try) -> tuple[bool, bool, float]:
    return one.reached, one.reply is None, one.score


def _continues(red: Chat) -> bool:
    try:
        red.write([], Sampling(), [])
    except Incompatible:
        return False
    return True
