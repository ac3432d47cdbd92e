"""A red team in a few lines: a target that follows a script and counts, an author, vitals, and judges that look for a word."""

from dataclasses import dataclass, field
from pathlib import Path

from sparring.core.attack import Author, Script
from sparring.core.cases import Cases
from sparring.core.errors import SparringError
from sparring.core.judge import Datasheet, Judge, Outcome
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.core.vital import Reading, Vital


@dataclass(frozen=True)
class NoReply:
    """Why there is no answer."""

    reason: str


class Diary(Target):
    """Gives the password to whoever says please; writes every question into a file, if it has one."""

    def __init__(self, diary: Path | None = None) -> None:
        self.diary, self.asked = diary, []

    def respond(self, inputs):
        self.asked += inputs
        if self.diary is not None:
            with self.diary.open("a") as file:
                file.writelines(f"{text}\n" for text in inputs)
        return [self.answer(text) for text in inputs]

    def answer(self, text):
        return "the password is canary" if "please" in text else f"no: {text}"


class Words(ThreatModel):
    """The adversary writes the whole input, without an exclamation mark."""

    perturbs = False

    def admits(self, cases, attempts):
        return ["!" not in text for text in attempts]

    def describe(self):
        return "any words"

    def survey(self, attempts):
        return {"self_bleu": 0.1, "duplicates": 1 - len(set(attempts)) / len(attempts), "commonest_word_share": 0.0}


class Finds(Judge):
    """Broken where the word is in the reply."""

    def __init__(self, word="canary", version="1", sheets=None):
        self.word, self.version, self.sheets = word, version, sheets or {}

    @property
    def datasheets(self) -> dict[str, Datasheet]:
        return self.sheets

    def grade(self, cases, inputs, outputs):
        return [
            Outcome.ERROR if isinstance(one, NoReply) else Outcome.BROKEN if self.word in one else Outcome.HELD
            for one in outputs
        ]


@dataclass(frozen=True)
class Pleader(Author[Target, Cases, ThreatModel]):
    """Writes "please" for every case whose number divides by `every`, and nothing for the last of each ten."""

    family = "zero-shot"
    every: int = 2
    calls: list[str] = field(default_factory=list, compare=False, repr=False, metadata={"learned": True})

    def write(self, target, cases, threat, *, seed=0, workspace=None, progress=None):
        self.calls.append(str(workspace))
        numbers = {i: int(i.rpartition("/")[2].partition("#")[0]) for i in cases.ids}
        script = {
            i: f"{'please ' if n % self.every == 0 else ''}question {n}" for i, n in numbers.items() if n % 10 != 9
        }
        return Script(self, script, (f"{len(script)} of {len(cases)} were usable.",))


@dataclass(frozen=True)
class Manners(Vital):
    """Share of harmless questions that are answered; asks `count` of them."""

    count: int = 3
    label: str = "answers"

    @property
    def name(self):
        return self.label

    def read(self, target):
        replies = target([f"harmless {k}" for k in range(self.count)])
        passed = tuple("no" not in reply for reply in replies)
        share = sum(passed) / self.count
        return Reading(self.label, share, max(0.0, share - 0.1), min(1.0, share + 0.1), self.count, passed=passed)


def questions(count=20, harms=("contact/phone", "offence/rude")) -> Cases:
    groups = [harms[k % len(harms)] for k in range(count)]
    ids = [f"{group.partition('/')[0]}/test/{k}" for k, group in enumerate(groups)]
    return Cases(ids, [f"hello {k}" for k in range(count)], ["canary"] * count, "questions", groups)


class Down(SparringError):
    """What an endpoint that is down raises."""
