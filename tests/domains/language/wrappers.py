"""Wrappers that change what the chat inside reads, for tests of attackers who know how a target is built."""

from sparring.core.target import Hardening
from sparring.mitigate.wrapped import Wrapped


class Viewing(Wrapped):
    """Asks the chat inside what a function makes of each user's text."""

    def __init__(self, inner, change):
        super().__init__(inner, "viewing", Hardening("viewing"))
        self.change = change

    def view(self, asked):
        texts = list(asked.messages)
        for place, message in enumerate(texts):
            if message.role == "user":
                asked = asked.with_text(place, self.change(message.text))
        return asked


def doubled(text):
    return f"{text}\nOnce more: {text}"


def marked(text):
    return text.replace(" ", "^")


def numbered(text):
    return " ".join(str(ord(letter)) for letter in text)
