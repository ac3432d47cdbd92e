"""The search for what works on one target: evolve compositions on few cases, then halve the field on more and more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparring.attack.learned.journal import Journal
from sparring.attack.prompt.composition import Composition, Space
from sparring.attack.prompt.hints import Hint, Reading, Replies
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat

_FIRST = 3  # one part in so many of the queries goes to the templates on their own
_SECOND = 6  # one part in so many to what is like the best of these
_FEW = 2  # cases that a composition is tried on at first, at least: one case may be out of reach for all
_LAST = 4  # and one part in so many to the finalists
_PARENTS, _CHILDREN = 8, 32
_DRAWS = 50  # of children, per child that is new, before the space counts as used up


@dataclass
class Search:
    """One search, deterministic given its seed, so that a killed one goes the same way through its journal.

    Args:
        cases: to learn from, in the order in which they are used; the first few see most compositions.
        queries: forwards to spend, at most.
        hint: what evolution goes by; the finalists are always asked for their replies.
        journal: what was read before.
    """

    target: Chat
    cases: Cases
    threat: Injection
    space: Space
    queries: int
    hint: Hint
    journal: Journal
    seed: Seed
    spent: int = 0
    unanswered: int = 0
    _read: dict[tuple[str, str], dict[int, Reading]] = field(default_factory=dict)
    _known: dict[str, Composition] = field(default_factory=dict)

    def run(self) -> list[Composition]:
        """The compositions that were tried, the best first; each next one adds cases that those before it do not reach."""
        kinds = len({(group, aim.surface) for group, aim in zip(self._groups, self.cases.goals, strict=True)})
        few = min(kinds, max(_FEW, self.queries // (_FIRST * len(self.space.templates))))
        self._begin(few)
        self._evolve(few)
        self._halve(few)
        return self._covering()

    @property
    def _limit(self) -> int:
        """Queries spent before the finalists are asked."""
        return self.queries - self.queries // _LAST

    @property
    def _groups(self) -> Sequence[str]:
        return self.cases.groups or [""] * len(self.cases)

    @property
    def tried(self) -> int:
        return len(self._known)

    def reached(self, one: Composition) -> set[int]:
        """Positions of the cases whose aim it reached."""
        return {k for k, reading in self._of(Replies(), one).items() if reading is not None and reading[0]}

    @property
    def reaches(self) -> bool:
        """Whether anything reached the aim of any case."""
        return any(self.reached(one) for one in self._known.values())

    @property
    def blind(self) -> bool:
        """Whether nothing came nearer than anything else, so that there was nothing to go by."""
        seen = {reading for known in self._read.values() for reading in known.values() if reading is not None}
        return len(seen) < 2

    def _begin(self, few: int) -> None:
        self._ask(self.hint, self.space.singles(self.seed.child("first")), few, max(1, self.queries // _FIRST))
        best = self._ranked(self._known.values())
        alike = [child for one in best for child in self.space.like(one.template)]
        self._ask(self.hint, alike, few, min(self.spent + self.queries // _SECOND, self._limit))

    def _evolve(self, few: int) -> None:
        wave = 0
        while self.spent < self._limit and (children := self._children(self.seed.child("wave", wave).numpy())):
            self._ask(self.hint, children, few, self._limit)
            wave += 1

    def _halve(self, few: int) -> None:
        left, count = self._ranked(self._known.values())[: 2 * _PARENTS], few
        while True:
            self._ask(Replies(), left, count, self.queries)
            if self.spent >= self.queries or count == len(self.cases):
                return
            left = self._ranked(left)[: max(2, len(left) // 2)]
            count = min(2 * count, len(self.cases))

    def _children(self, draw: np.random.Generator) -> list[Composition]:
        """New compositions: half of them parents with one part changed, a quarter crossed, a quarter drawn at random."""
        parents = self._ranked(self._known.values())[:_PARENTS]
        found: dict[str, Composition] = {}
        for _ in range(_DRAWS * _CHILDREN):
            one, two = (parents[int(k)] for k in draw.integers(len(parents), size=2))
            kind = draw.integers(4)
            child = (
                self.space.changed(one, draw) if kind < 2
                else self.space.crossed(one, two, draw) if kind == 2
                else self.space.drawn(draw)
            )  # fmt: skip
            if child.name not in self._known:
                found.setdefault(child.name, child)
            if len(found) == _CHILDREN:
                break
        return list(found.values())

    def _ask(self, hint: Hint, compositions: Sequence[Composition], count: int, limit: int) -> None:
        """Reads each composition on the first cases that it suits, one after the other, until the queries are spent."""
        pairs = []
        for one in compositions:
            if self.spent + len(pairs) >= limit:
                break
            self._known[one.name] = one
            suited = [k for k, aim in enumerate(self.cases.goals) if one.suits(aim)][:count]
            fresh = [k for k in suited if k not in self._of(hint, one)]
            written = [(one, k, attempt) for k in fresh if (attempt := self._attempt(one, k)) is not None]
            pairs += written[: limit - self.spent - len(pairs)]

        def read(rows: list[int]) -> list[Reading]:
            aims = [self.cases.goals[pairs[row][1]] for row in rows]
            return hint.readings(self.target, [pairs[row][2] for row in rows], aims)

        keys = [f"{one.name} | {self.cases.ids[k]}" for one, k, _ in pairs]
        told = self.journal.recall(type(hint).__name__, keys, read, keeps=lambda reading: reading is not None)
        self.spent += len(pairs)
        for (one, k, _), reading in zip(pairs, told, strict=True):
            self._of(hint, one)[k] = None if reading is None else (bool(reading[0]), float(reading[1]))
            self.unanswered += reading is None

    def _attempt(self, one: Composition, k: int) -> Conversation | None:
        """What is asked about a case; None where that is longer than allowed."""
        own, seed = Conversation.of(self.cases.inputs[k]), self.seed.child("text", self.cases.ids[k])
        return one.attempt(self.threat, own, self.cases.goals[k], seed)

    def _of(self, hint: Hint, one: Composition) -> dict[int, Reading]:
        return self._read.setdefault((type(hint).__name__, one.name), {})

    def _ranked(self, field: Iterable[Composition]) -> list[Composition]:
        """The best first: by the share of cases reached, then by how near it came, then the simpler."""
        return sorted(field, key=lambda one: (*self._shortfall(one), one.parts, one.name))

    def _shortfall(self, one: Composition) -> tuple[float, float, float]:
        replies, hints = self._of(Replies(), one).values(), self._of(self.hint, one).values()
        # As if two more cases had been tried in vain: two of two are less than twenty of twenty-two.
        reached = sum(told[0] for told in replies if told) / (len(replies) + 2)
        near = sum(told[1] for told in replies if told) / (len(replies) + 2)
        hinted = [told[1] for told in hints if told]
        return -reached, -near, -float(np.mean(hinted)) if hinted else np.inf

    def _covering(self) -> list[Composition]:
        left = self._ranked(self._known.values())
        chosen: list[Composition] = []
        covered: set[int] = set()
        while left:
            best = max(left, key=lambda one: len(self.reached(one) - covered))  # the first of equals
            if self.reached(best) <= covered:
                break
            covered |= self.reached(best)
            chosen.append(best)
            left.remove(best)
        return [*chosen, *left]
