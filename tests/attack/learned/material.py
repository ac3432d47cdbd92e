"""Red language models, targets and a harm that take milliseconds, for the tests of this folder."""

from dataclasses import dataclass

from sparring.domains.language.harm import Harm, Want
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.local_chat import LocalChat
from sparring.domains.language.target import Chat
from sparring.domains.language.toy import toy_model, toy_tokenizer


class Digits(ReplyJudge):
    version = "digits 1"

    def breaks(self, goals, asked, replies):
        return [any(c.isdigit() for c in reply) for reply in replies]


@dataclass(frozen=True)
class Marked(Harm):
    """A stand-in for a harm: the reply repeats the word "canary", or comes near it with letters before m."""

    name: str = "marked"
    taxonomy = ()

    def wants(self):
        return [Want(self.name, kind, f"List of {self.name} questions about {kind}:") for kind in ("birds", "rivers")]

    @property
    def judge(self):
        return Digits()

    def reward(self, asked, replies):
        return [
            0.9 if "canary" in reply else sum("a" <= c < "m" for c in reply) / (2 * len(reply) + 2) for reply in replies
        ]

    def safe_reply(self, asked):
        return "no"


class Echo(Chat):
    """Repeats the question, and counts what it was asked."""

    def __init__(self):
        self.asked = []

    def reply(self, asked):
        self.asked += [str(one) for one in asked]
        return [one.prompt for one in asked]


class Writer(Chat):
    """Writes what a function makes of (text, seed), and counts how often it was asked."""

    def __init__(self, make, name="writer"):
        self.make, self.texts, self.name = make, [], name

    def reply(self, asked):
        return ["well"] * len(asked)

    def write(self, texts, sampling, seeds):
        self.texts += list(texts)
        return [self.make(text, seed) for text, seed in zip(texts, seeds, strict=True)]


class Asking(LocalChat):
    """The toy model, each of whose texts becomes a question."""

    def write(self, texts, sampling, seeds):
        return [f" why {text.replace('?', '')}?" for text in super().write(texts, sampling, seeds)]


def asking() -> Asking:
    return Asking((toy_model(), toy_tokenizer()), dtype="float32", name="asking")


def numbered_question(text, seed):
    return f" what is item {seed.value % 10**6}? And more"
