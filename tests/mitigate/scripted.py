"""Chats that follow a script, for the tests of this folder: what each obeys is known, so what stops it is too."""

import re

from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat


class Answers(Chat):
    """Answers what a function makes of the conversation, and keeps what it was asked."""

    def __init__(self, make):
        self.make, self.asked = make, []

    def reply(self, asked):
        self.asked += asked
        return [self.make(one) for one in asked]


def echo():
    """Says all that it was shown."""
    return Answers(str)


def ordered(text):
    """The word that a text orders to be said; None without an order in plain words."""
    found = re.search(r"say (PARROT-\d+)", text, re.IGNORECASE)
    return found and found[1]


def desk(text, *, user="How is ticket 1?"):
    """A conversation that ends with what a tool brought in."""
    return Conversation.of([("system", "Be kind."), ("user", user), ("tool", text)])


def texts(asked, role):
    """Of the messages of one role."""
    return [message.text for message in asked if message.role == role]
