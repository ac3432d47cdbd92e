"""Random search: changes a few characters of a suffix at a time, and keeps what brings the reply nearer to the aim."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.attack.prompt.hints import Hint, Openings, Replies
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.suffix import written
from sparring.domains.language.target import Chat, OpenChat

_LETTERS = [chr(code) for code in range(33, 127)]  # printable ASCII without the space, which templates may cut off


@dataclass(frozen=True)
class RandomSearch(Attack[Chat, Cases, Injection]):
    """The order, and behind it a suffix that is changed at random as long as the change does no harm.

    It needs no gradient, so it works on every chat. Where the weights are at hand it climbs the likelihood of the aim's
    opening, elsewhere the aim's closeness to the reply. A case is refused where the threat leaves no room for the suffix.

    Paper: Andriushchenko et al., 2024, arXiv:2404.02151, section 3 (random search).
    Differs: characters are changed and not tokens, so that no tokenizer is needed; the score is the mean log probability
    of the whole opening where the paper takes its first token's, and without log probabilities the share of the proof in
    the reply; a change that leaves the score as it was is kept, for such a share has plateaus; the stretch that is
    changed shrinks from a quarter of the suffix to one character by halves; no hand-written prompt stands before it.
    Cost per case: `queries` forwards, and where the hint is not the reply itself one more every `every` queries; none
    after the aim is reached.

    Args:
        queries: suffixes tried, the first among them.
        length: characters of the suffix.
        start: what it repeats at the beginning.
        every: queries between two looks at the reply, where the hint does not show it.
        hint: what is climbed; None for the best that the target gives.

    Raises:
        InvalidSpec: for a number below 1, or a start that is no printable ASCII.
    """

    family = "random-search"
    counted = "queries"
    queries: int = 500
    length: int = 40
    start: str = "!"
    every: int = 25
    hint: Hint | None = None

    def __post_init__(self) -> None:
        if min(self.queries, self.length, self.every) < 1 or not self.start or set(self.start) - set(_LETTERS):
            raise InvalidSpec(
                "RandomSearch needs queries, length and every of 1 or more and a start of printable ASCII; "
                f"got {self.queries}, {self.length}, {self.every} and {self.start!r}."
            )

    def cost(self, target: Target) -> int:
        shown = isinstance(self._hint(target), Replies)
        return self.queries + (0 if shown else -(-self.queries // self.every))

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        if isinstance(target, Chat):
            self._hint(target).check(target)

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        threat.check(cases)
        hint, stream = self._hint(target), seed.child("random search").stream(cases.ids)
        best = [(self.start * self.length)[: self.length]] * len(cases)
        scores, found = [-float("inf")] * len(cases), torch.zeros(len(cases), dtype=torch.bool)
        room = threat.admits(cases, self._attempts(cases, threat, best))
        for query in range(self.queries):
            going = [k for k in range(len(cases)) if room[k] and not found[k]]
            if not going:
                break
            numbers = stream[torch.tensor(going)].uniform((1 + self.length,), at=query)
            tried = [self._changed(best[k], own, query) for k, own in zip(going, numbers, strict=True)]
            part = cases[going]
            told = hint.readings(target, self._attempts(part, threat, tried), part.goals)
            for k, suffix, reading in zip(going, tried, told, strict=True):
                reached, score = reading if reading is not None else (False, -float("inf"))
                if reached or score >= scores[k]:
                    best[k], scores[k], found[k] = suffix, score, reached
            looks = (query + 1) % self.every == 0 or query + 1 == self.queries
            if looks and not isinstance(hint, Replies):
                self._look(target, cases, threat, best, found, going)
        inputs = self._attempts(cases, threat, best)
        return Attempts(
            [one if fits else own for one, fits, own in zip(inputs, room, cases.inputs, strict=True)],
            found,
            refused=~torch.tensor(room),
        )

    def _hint(self, target: Target) -> Hint:
        if self.hint is not None:
            return self.hint
        inside = target.innermost if isinstance(target, Chat) else target
        return Openings() if isinstance(inside, OpenChat) else Replies()

    def _attempts(self, cases: Cases, threat: Injection, suffixes: list[str]) -> list[Conversation]:
        return [written(threat, cases[k : k + 1], f" {suffix}") for k, suffix in enumerate(suffixes)]

    def _changed(self, suffix: str, numbers: Tensor, query: int) -> str:
        """The suffix with a new stretch somewhere; the first query asks for it as it stands."""
        if query == 0:
            return suffix
        size = max(1, self.length // 4 >> (4 * query // self.queries))
        place = int(numbers[0].double() * (self.length - size + 1))
        new = "".join(_LETTERS[int(number.double() * len(_LETTERS))] for number in numbers[1 : 1 + size])
        return suffix[:place] + new + suffix[place + size :]

    def _look(
        self, target: Chat, cases: Cases, threat: Injection, best: list[str], found: Tensor, going: list[int]
    ) -> None:
        part = cases[going]
        replies = target(self._attempts(part, threat, [best[k] for k in going]))
        for k, reply, aim in zip(going, replies, part.goals, strict=True):
            found[k] = isinstance(reply, str) and aim.reached(reply)
