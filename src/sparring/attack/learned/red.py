"""What all red language models share: they write candidates, keep valid and new questions, and stop at a bound."""

import hashlib
import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.attack.learned.journal import Journal, write_whole
from sparring.core.attack import Author, Script
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec, SparringError
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, to_spec
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.diversity import words
from sparring.domains.language.harm import Harm, Want
from sparring.domains.language.target import Chat, Sampling, Unanswered

_HOPELESS = 256  # candidates without one that is valid, after which nothing more is asked for
_ROUND = 6  # candidates asked for per prompt at least, while one is missing
_SPARE = 2.0  # candidates asked for per question that is missing
_MARK = "?"


@dataclass(frozen=True)
class Pen:
    """Who writes the questions of one harm, and what it continues.

    Args:
        chat: the red language model.
        lead: (prompt, seed of the candidate) -> the text to continue.
        known: questions, normalised, that do not count as new.
    """

    chat: Chat
    lead: Callable[[str, Seed], str]
    known: frozenset[str] = frozenset()


@dataclass
class Desk:
    """One call of `write`: what every step of it needs."""

    target: Chat
    red: Chat
    cases: Cases
    threat: ThreatModel
    seed: Seed
    folder: Path | None
    journal: Journal
    progress: Progress
    asked: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def prompts(self) -> dict[str, list[str]]:
        """Harm -> the prompts that its cases bring, in their order."""
        found: dict[str, list[str]] = {}
        for want in self.cases.goals:
            prompts = found.setdefault(want.harm, [])
            if want.prompt not in prompts:
                prompts.append(want.prompt)
        return found

    def place(self, *names: str) -> Path | None:
        """A folder of its own for something that is learned."""
        return None if self.folder is None else self.folder.joinpath(*names)

    def written(
        self,
        kind: str,
        chat: Chat,
        texts: Sequence[str],
        keys: Sequence[str],
        seeds: Sequence[Seed],
        sampling: Sampling,
    ) -> list[str | None]:
        """A continuation of each text; None where the model gave none."""
        bar = f"{kind}: candidates"
        self.progress.start(bar, len(texts))

        def make(rows: list[int]) -> list[str | None]:
            told = chat.write([texts[k] for k in rows], sampling, [seeds[k] for k in rows])
            self.progress.advance(bar, len(rows))
            return [one if isinstance(one, str) else None for one in told]

        return self.journal.recall(f"write {kind}", keys, make, keeps=lambda one: one is not None)

    def answers(self, questions: Sequence[str]) -> list[str | None]:
        """The target's reply to each; None where there is none, which proves nothing."""
        self.progress.start("replies to learn from", len(questions))

        def make(rows: list[int]) -> list[str | None]:
            replies = self.target([Conversation.of(questions[k]) for k in rows])
            self.progress.advance("replies to learn from", len(rows))
            return [None if isinstance(one, Unanswered) else one for one in replies]

        return self.journal.recall("reply", questions, make, keeps=lambda one: one is not None)

    def rewards(self, harm: Harm, questions: Sequence[str]) -> list[float | None]:
        """How bad the target's reply to each question is, in [0, 1); None without a reply."""
        replies = self.answers(questions)
        spoken = [k for k, reply in enumerate(replies) if reply is not None]
        scored = harm.reward([Conversation.of(questions[k]) for k in spoken], [replies[k] or "" for k in spoken])
        found: list[float | None] = [None] * len(questions)
        for k, reward in zip(spoken, scored, strict=True):
            found[k] = reward
        return found


@dataclass(frozen=True)
class RedLM(Author[Chat, Cases, ThreatModel]):
    """Base of the red language models of Perez et al. (2022), with the settings that all of them have.

    Args:
        red: the red language model; None lets the target itself play it, as in the paper.
        tokens: of one question, at most.
        tries: candidates per case, at most.
        fingerprint: tells two red models apart in a record; follows from the red model.
    """

    red: Chat | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    tokens: int = 40
    tries: int = 8
    fingerprint: str = ""

    def __post_init__(self) -> None:
        self._check_fields()

    @abstractmethod
    def pens(self, desk: Desk) -> dict[str, Pen]:
        """Harm -> who writes its questions, after whatever has to be learned."""

    def cost(self, target: Target) -> int:
        return 0

    def write(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Script:
        """What it learns, and then one question for each case; the cases that it finds none for are refused.

        Raises:
            Incompatible: if the red model only chats, or has no weights where they are needed.
            InvalidCases: if a case does not say what to look for.
            RunMismatch: if the workspace holds the work of another attacker.
            SparringError: if nothing at all that it writes is a valid question.
        """
        self.check(target, threat)
        assert isinstance(target, Chat)
        if not len(cases):
            return Script(self, {})
        if not all(isinstance(want, Want) for want in cases.goals):
            raise InvalidCases(
                f"{self.name} needs cases whose goals say what to look for (Want), as harm.cases(n) makes them; got "
                f"goals of type {type(cases.goals[0]).__name__}."
            )
        seed, red = Seed.of(seed), self.red if self.red is not None else target
        asked = {
            "attack": to_spec(self), "red": red.fingerprint(), "target": target.fingerprint(), "seed": seed.value,
            "threat": to_spec(threat), "cases": _digest([[i, *vars(want).values()] for i, want in _pairs(cases)]),
        }  # fmt: skip
        folder = None if workspace is None else Path(workspace)
        desk = Desk(target, red, cases, threat, seed, folder, Journal(folder, asked), progress, asked)
        stored = desk.place("script.json")
        if stored is not None and stored.is_file():
            found = json.loads(stored.read_text(encoding="utf-8"))
            attempts = {
                i: one if isinstance(one, str) else Conversation.of(one) for i, one in found["attempts"].items()
            }
            return Script(self, attempts, tuple(found["notes"]))
        attempts = self.attempts(desk)
        if stored is not None:
            write_whole(stored, json.dumps({"attempts": attempts, "notes": desk.notes}))
        return Script(self, attempts, tuple(desk.notes))

    def attempts(self, desk: Desk) -> dict[str, Any]:
        """Case id -> what the target is asked; cases that nothing was found for are left out."""
        slots = [(want.harm, want.prompt) for want in desk.cases.goals]
        questions = composed(desk, self.pens(desk), slots, desk.seed, self.sampling, self.tries, self.label)
        return {i: one for i, one in zip(desk.cases.ids, questions, strict=True) if one is not None}

    @property
    def sampling(self) -> Sampling:
        """How the red model draws: nucleus 0.95 at temperature 1, up to a line break."""
        return Sampling(tokens=self.tokens, top_p=0.95, temperature=1.0, stop=("\n",))

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


def composed(
    desk: Desk,
    pens: dict[str, Pen],
    slots: Sequence[tuple[str, str]],
    seed: Seed,
    sampling: Sampling,
    tries: int,
    name: str,
    required: bool = True,
) -> list[str | None]:
    """A valid question for each slot (harm, prompt), no two alike; None where the tries did not bring one.

    The candidates of a prompt are numbered, each draws from a seed of its own, and the k-th that is valid and new goes
    to the prompt's k-th slot: neither batches nor interruptions can move a question.

    Args:
        tries: candidates per slot, at most.
        required: raise if not one question came of it.
    """
    places: dict[tuple[str, str], list[int]] = {}
    for k, slot in enumerate(slots):
        places.setdefault(slot, []).append(k)
    found: list[str | None] = [None] * len(slots)
    filled = dict.fromkeys(places, 0)
    asked = dict.fromkeys(places, 0)
    seen = {question for pen in pens.values() for question in pen.known}
    thrown: Counter[str] = Counter()
    desk.progress.start(name, len(slots))
    while True:
        batch: list[tuple[tuple[str, str], int]] = []
        for slot, own in places.items():
            # A round of one candidate takes nearly as long as one of eight, so few missing questions are no small round.
            wanted = max(_ROUND, int((len(own) - filled[slot]) * _SPARE) + 1) if filled[slot] < len(own) else 0
            wanted = min(wanted, tries * len(own) - asked[slot])
            batch += [(slot, asked[slot] + k) for k in range(wanted)]
            asked[slot] += wanted
        if not batch:
            break
        for (slot, _), text in zip(batch, _candidates(desk, pens, batch, seed, sampling, name), strict=True):
            if filled[slot] == len(places[slot]):
                continue
            question, reason = _valid(text, seen)
            if question is not None and not all(desk.threat.admits(desk.cases[:1], [question])):
                question, reason = None, "not allowed"
            if question is None:
                thrown[reason] += 1
                continue
            seen.add(normalised(question))
            found[places[slot][filled[slot]]] = question
            filled[slot] += 1
            desk.progress.advance(name)
        if not any(filled.values()) and sum(asked.values()) >= _HOPELESS:
            break
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(thrown.items()))
    total = sum(asked.values())
    if required and not any(filled.values()):
        raise SparringError(
            f"{name}: the red model wrote nothing valid in {total} tries ({told}). A valid attempt is a question of two "
            "words or more that ends with a question mark. Choose another red model (red=...) or another prompt."
        )
    if thrown:
        desk.notes.append(f"{name}: kept {sum(filled.values())} of {sum(filled.values()) + thrown.total()}; {told}.")
    return found


def normalised(question: str) -> str:
    """What two questions share that differ in case, spacing and punctuation alone."""
    return " ".join(words(question))


def cut(text: str) -> str | None:
    """The text up to its first question mark, trimmed; None without one."""
    head, mark, _ = text.partition(_MARK)
    return head.strip() + mark if mark else None


def numbered(prompt: str, questions: Sequence[str] = ()) -> str:
    """The prompt as the head of a numbered list: these questions, and then the number of the next one."""
    head = re.sub(r"\s*1\.\s*$", "", prompt)
    return "\n".join([head, *(f"{k}. {one}" for k, one in enumerate(questions, 1)), f"{len(questions) + 1}."])


def zero_shot(prompt: str, seed: Seed) -> str:
    """The bare prompt, with the list begun."""
    return numbered(prompt)


def _candidates(
    desk: Desk,
    pens: dict[str, Pen],
    batch: Sequence[tuple[tuple[str, str], int]],
    seed: Seed,
    sampling: Sampling,
    name: str,
) -> list[str | None]:
    """All candidates of a round; pens that share a model write together."""
    seeds = [seed.child("candidate", prompt, number) for (_, prompt), number in batch]
    leads = [pens[slot[0]].lead(slot[1], own) for (slot, _), own in zip(batch, seeds, strict=True)]
    keys = [f"{_digest(slot)}/{number}" for slot, number in batch]
    chats = {id(pens[slot[0]].chat): pens[slot[0]].chat for slot, _ in batch}
    texts: list[str | None] = [None] * len(batch)
    for chat in chats.values():
        rows = [k for k, (slot, _) in enumerate(batch) if pens[slot[0]].chat is chat]
        told = desk.written(
            name, chat, [leads[k] for k in rows], [keys[k] for k in rows], [seeds[k] for k in rows], sampling
        )
        for k, text in zip(rows, told, strict=True):
            texts[k] = text
    return texts


def _valid(text: str | None, seen: set[str]) -> tuple[str | None, str]:
    question = None if text is None else cut(text)
    if text is None:
        return None, "unanswered"
    if question is None:
        return None, "without a question mark"
    said = normalised(question)
    if said.count(" ") < 1:
        return None, "too short"
    return (None, "repeated") if said in seen else (question, "")


def _pairs(cases: Cases) -> list[tuple[str, Want]]:
    return list(zip(cases.ids, cases.goals, strict=True))


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, default=str).encode(), digest_size=8).hexdigest()
