"""TAP: a tree of texts; each is branched into several improved ones, strays are cut before they cost a query, the best stay."""

from dataclasses import dataclass, field

from sparring.attack.prompt.improving import improving
from sparring.attack.prompt.red_search import Duel, RedSearch, Slot, Try
from sparring.attack.prompt.scorer import Closeness, Scorer
from sparring.attack.prompt.topic import Topic, WordOverlap
from sparring.core.attack import Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Target
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat

_Line = tuple[Try, ...]  # from the root to a leaf


@dataclass(frozen=True)
class TAP(RedSearch):
    """Tree of attacks with pruning: branch every leaf, cut what strays, ask the target, keep the `width` best leaves.

    Paper: Mehrotra et al., 2023, arXiv:2312.02119, algorithm 1.
    Differs: wording and scores as in `PAIR`. Strays are told by the words they share with the aim, which asks nobody;
    `AskedTopic(chat)` is the paper's way. A leaf all of whose branches strayed, went unwritten or unanswered stays, and
    is branched again; a branch without an answer is never counted as one that held (see `RedSearch`).
    Cost per case: up to `branching` forwards of the target at depth 1 and `branching * min(width, leaves)` at each
    further one; the red model draws as many texts, up to `tries` times each.

    Args:
        red: the red language model; None lets the target itself play it.
        branching: improved texts per leaf (the paper has 4).
        width: leaves that are kept per case (the paper has 10).
        depth: levels of the tree, at most (the paper has 10).
        tokens: of one text, at most.
        tries: draws per text, at most.
        scorer: what guides the search; never who grades the campaign.
        topic: who tells what strays.
        fingerprint: of the red model.

    Raises:
        InvalidSpec: for a branching, width or depth below 1.
    """

    family = "tap"
    counted = "depth"

    red: Chat | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    branching: int = 3
    width: int = 4
    depth: int = 4
    tokens: int = 80
    tries: int = 3
    scorer: Scorer = Closeness()
    topic: Topic = WordOverlap()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        self._check_fields()
        if min(self.branching, self.width, self.depth) < 1:
            raise InvalidSpec(
                "TAP needs a branching, a width and a depth of 1 or more; "
                f"got {self.branching}, {self.width} and {self.depth}."
            )

    def cost(self, target: Target) -> int:
        leaves, texts = 1, 0
        for _ in range(self.depth):
            texts += leaves * self.branching
            leaves = min(self.width, leaves * self.branching)
        return texts + self.drawn(target, texts)

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        duel = Duel(self, target, cases, threat, seed)
        leaves: list[list[_Line]] = [[()] for _ in cases.ids]
        for depth in range(self.depth):
            going = [case for case in range(len(cases)) if duel.open(case)]
            if not going:
                break
            grown: list[list[_Line]] = [[] for _ in cases.ids]
            slots, parents = self._branches(duel, leaves, going, depth)
            for slot, parent, one in zip(slots, parents, self._tries(duel, slots), strict=True):
                if one is not None and one.reply is not None:
                    grown[slot.case].append((*parent, one))
            for case in going:
                best = sorted(grown[case], key=lambda line: -line[-1].score)[: self.width]
                leaves[case] = best or leaves[case]
        return duel.settled()

    def _branches(
        self, duel: Duel, leaves: list[list[_Line]], going: list[int], depth: int
    ) -> tuple[list[Slot], list[_Line]]:
        """The texts to write at one level, and the line that each goes on."""
        slots, parents = [], []
        for case in going:
            known = duel.known(case)
            for number, line in enumerate(leaves[case]):
                for branch in range(self.branching):
                    brief = improving(duel.aims[case], line, branch)
                    names = (str(depth), str(number), str(branch))
                    slots.append(Slot(case, names, brief, duel.inject(case), known))
                    parents.append(line)
        return slots, parents

    def _tries(self, duel: Duel, slots: list[Slot]) -> list[Try | None]:
        """Each slot written and, unless it strays or repeats a branch of the same level, asked."""
        texts = duel.written(slots)
        first = {(slot.case, text): k for k, (slot, text) in reversed(list(enumerate(zip(slots, texts, strict=True))))}
        written = sorted(k for (_, text), k in first.items() if text is not None)
        strays = self.topic.strays([duel.aims[slots[k].case] for k in written], [texts[k] or "" for k in written])
        kept = [k for k, stray in zip(written, strays, strict=True) if not stray]
        found: list[Try | None] = [None] * len(slots)
        for k, one in zip(kept, duel.asked([slots[k] for k in kept], [texts[k] or "" for k in kept]), strict=True):
            found[k] = one
        return found
