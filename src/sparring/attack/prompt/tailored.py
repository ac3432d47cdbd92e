"""Tailored: the adversary who knows the defence, and searches beforehand for what works against exactly this target."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from sparring.attack.learned.journal import Journal
from sparring.attack.prompt.best_of import best_of
from sparring.attack.prompt.composition import Composition, Space
from sparring.attack.prompt.hints import Hint, Replies
from sparring.attack.prompt.search import Search
from sparring.attack.prompt.template_table import Row, families, read_table, rows, suits
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, digest, to_spec
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.conversation import conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat

_SPARE = 4  # compositions kept per try, since some do not suit a case
_SILENT = 0.5  # share of questions without an answer from which on nothing can have been learned


@dataclass(frozen=True)
class Tailored(Attack[Chat, Cases, Injection]):
    """A search over compositions (a template, perhaps encoded, perhaps framed by another one) on cases of its own.

    `prepare` evolves them against the target, wrappers and trained weights included: templates on their own (all, or a few
    of each family where the queries are few), the families and encodings of the best, then changed and crossed ones, each
    on a few cases; the best go on to more and more cases, and those come first that together reach most. The run tries these in turn. Running an attack that was not prepared searches on
    the very cases it attacks, which flatters it. A case whose aim suits no template of the pool counts nowhere; one that
    nothing of what was found is for is refused.

    Paper: none in particular; that defences are judged by an adversary who adapts to them is Tramer et al., 2020,
    arXiv:2002.08347, and for language models Zhan et al., 2025, arXiv:2503.00061. Successive halving is Jamieson and
    Talwalkar, 2016, arXiv:1502.07943.
    Differs: those papers optimise single strings, by hand or by gradient; this searches templates, which carry over from
    case to case.
    Cost: `queries` forwards before the first case. Cost per case: `tries` forwards, and none for a single try.

    Args:
        queries: forwards that the search may spend, over all cases together.
        tries: compositions per case, at most.
        pool: families whose templates it may use; empty for all.
        hint: what the search goes by: `Replies()`, or `Openings()` for chats whose weights are at hand.
        table: CSV file with templates of your own; empty for those that come with the package.
        learned: what was found, the best first.
        notes: what the search found out.
        doubts: why it may have failed.

    Raises:
        InvalidSpec: for no queries or tries, a table that makes no sense, or a family that it does not have.
        InvalidCases: at `prepare`, if there is nothing to learn from, or the goals are no aims.
        Incompatible: at the run, if the target does not give what the hint needs.
        RunMismatch: at `prepare`, if the workspace holds another search.
    """

    family = "tailored"
    adaptive = True
    counted = "tries"
    queries: int = 1000
    tries: int = 8
    pool: tuple[str, ...] = ()
    hint: Hint = Replies()
    table: str = ""
    learned: tuple[Composition, ...] = field(default=(), compare=False, repr=False, metadata=LEARNED)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False, metadata=LEARNED)  # type: ignore[override]
    doubts: tuple[str, ...] = field(default=(), compare=False, repr=False, metadata=LEARNED)  # type: ignore[override]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", tuple(self.pool))
        if self.queries < 1 or self.tries < 1:
            raise InvalidSpec(f"Tailored needs queries and tries of 1 or more; got {self.queries} and {self.tries}.")
        if not isinstance(self.hint, Hint):
            raise InvalidSpec(f"Tailored goes by a hint, such as Replies() or Openings(); got {self.hint!r}.")
        for name in self.pool or families(self.table):
            rows(name, self.table)

    @property
    def _templates(self) -> tuple[Row, ...]:
        return tuple(row for row in read_table(self.table) if row.family in self.pool or not self.pool)

    @property
    def material(self) -> str:
        return digest(self._templates) if self.table else ""

    def cost(self, target: Target) -> int:
        return (self.tries if self.tries > 1 else 0) + (0 if self.learned else self.queries)

    def check(self, target: Target, threat: ThreatModel) -> None:
        super().check(target, threat)
        assert isinstance(target, Chat)
        self.hint.check(target)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "Tailored":
        self.check(target, threat)
        assert isinstance(target, Chat) and isinstance(threat, Injection)
        if len(cases) == 0:
            raise InvalidCases(f"{self.name} learns from cases, and there are none. Pass at least one.")
        threat.check(cases)
        seed = Seed.of(seed)
        known = self._templates
        asked = {
            "attack": to_spec(self), "templates": digest(known), "seed": seed.value, "threat": to_spec(threat),
            "cases": digest([cases.ids, conversations(cases.inputs), cases.goals]), "target": target.fingerprint(),
        }  # fmt: skip
        search = Search(
            target, in_turn(cases, seed), threat, Space(known), self.queries, self.hint,
            Journal(None if workspace is None else Path(workspace), asked), seed,
        )  # fmt: skip
        found = search.run()
        return replace(
            self, learned=tuple(found[: _SPARE * self.tries]), notes=_notes(search, found), doubts=_doubts(search)
        )

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        threat.check(cases)
        ready = self if self.learned else self.prepare(target, cases, threat, seed=seed)
        tries, suited = [], []
        for case, own, aim in zip(cases.ids, conversations(cases.inputs), cases.goals, strict=True):
            made = (one.attempt(threat, own, aim, seed.child("text", case)) for one in ready.learned)
            tries.append(list(dict.fromkeys(attempt for attempt in made if attempt is not None))[: self.tries])
            suited.append(any(suits(row, aim) for row in self._templates))
        return best_of(target, cases, tries, suited)


def in_turn(cases: Cases, seed: Seed) -> Cases:
    """The cases in a random order in which groups and surfaces take turns, so that any first few hold many kinds."""
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for k in seed.child("order").numpy().permutation(len(cases)).tolist():
        kinds[cases.groups[k] if cases.groups else "", cases.goals[k].surface].append(k)
    ranks = [(rank, number, k) for number, own in enumerate(kinds.values()) for rank, k in enumerate(own)]
    return cases[[k for _, _, k in sorted(ranks)]]


def _notes(search: Search, found: list[Composition]) -> tuple[str, ...]:
    reached = set[int]().union(*(search.reached(one) for one in found))
    told = [
        f"tried {search.tried} compositions in {search.spent} forwards; together they reached the aims of {len(reached)} of "
        f"{len(search.cases)} cases"
    ]
    best = [f"{one.name} ({len(search.reached(one))})" for one in found[:3] if search.reached(one)]
    return (*told, f"those that reached most: {'; '.join(best)}") if best else tuple(told)


def _doubts(search: Search) -> tuple[str, ...]:
    if search.unanswered > _SILENT * search.spent:
        return (
            f"the target gave no answer to {search.unanswered} of {search.spent} questions of the search, so what held "
            "against it proves little: shorten the cases, or repair the connection",
        )
    if search.blind:
        return (
            "no composition came nearer than another, so the search was blind and what held against it proves little: "
            "use the hint Openings(), or more queries",
        )
    if not search.reaches:
        return (
            f"its search reached no aim of {len(search.cases)} cases in {search.spent} forwards, so what held against it proves "
            "little: give it more queries, the hint Openings(), or a table of your own",
        )
    return ()
