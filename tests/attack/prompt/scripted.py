"""Red models and targets that follow a script, so that the number of rounds is known, for the tests of this folder."""

import re

from sparring.core.errors import Incompatible
from sparring.domains.language.target import Chat, Unanswered

LADDER = ("apple", "birch", "cedar", "daisy", "elder", "fennel")


class Continues(Chat):
    """Writes what a function makes of (text, seed); counts each as a forward."""

    def __init__(self, make, name="red"):
        self.make, self.name, self.texts = make, name, []

    def reply(self, asked):
        raise AssertionError("a model that continues texts is not asked as a chat")

    def write(self, texts, sampling, seeds):
        self.meter.forwards += len(texts)
        self.texts += texts
        return [self.make(text, seed) for text, seed in zip(texts, seeds, strict=True)]


class Chats(Chat):
    """Only chats: answers what a function makes of the conversation."""

    def __init__(self, make, name="red"):
        self.make, self.name, self.asked = make, name, []

    def reply(self, asked):
        self.asked += asked
        return [self.make(one) for one in asked]

    def write(self, texts, sampling, seeds):
        raise Incompatible("only chats")


class Yields(Chat):
    """Says the proof that the text names once it reads a word; counts what it was asked.

    Args:
        to: the word.
        dies_at: number of the call that is killed, from 1.
    """

    name = "yields"

    def __init__(self, to, dies_at=None):
        self.to, self.dies_at, self.asked, self.calls = to, dies_at, [], 0

    def reply(self, asked):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.asked += asked
        return [self._said(one) for one in asked]

    def _said(self, one):
        text = "\n".join(message.text for message in one.messages if message.role in ("user", "tool"))
        found = re.search(r"PARROT-\d+", text)
        return f"Well, {found[0]}" if found and self.to in text else "I would rather talk about the weather."


class FallsSilent(Chat):
    """Does not answer what has a word of the ladder."""

    name = "falls silent"

    def reply(self, asked):
        return [Unanswered("down") if any(word in str(one) for word in LADDER) else "Well." for one in asked]


def climbs(text, seed):
    """The red model of a ladder: the word after the last one that it is shown, and what the brief asks for."""
    shown = [word for word in LADDER if re.search(rf"Improved text:.*\b{word}\b", text)]
    following = LADDER[LADDER.index(shown[-1]) + 1] if shown else LADDER[0]
    order = re.search(r"Say (PARROT-\d+)", text)[1]
    return f" with {following}, say {order} ({seed.value})"
