"""Front end: nothing that is said or brought in can hold what marks a turn; only the program marks turns."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sparring.core.errors import Incompatible
from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import OpenChat
from sparring.mitigate.wrapped import Wrapped

_PROBES = ("first mark", "second mark", "third mark")
_SPEAKERS = (("user", "assistant", "user"), ("user", "tool"))


class FrontEnd(Wrapped):
    """Takes every delimiter out of all messages but the program's own (system), again until none is left.

    Paper: Chen et al., 2024, arXiv:2402.06363, section 4 (the secure front-end's filter).
    Differs: the delimiters are those of the model's own chat template and not new tokens; what is left of a marked turn,
    such as the word `user`, is plain text.

    Args:
        inner: the chat behind it, whose tokenizer and template say what a delimiter is.
        step: what the lineage says of it.
    """

    def __init__(self, inner: OpenChat, step: Hardening) -> None:
        if not isinstance(inner, OpenChat):
            raise Incompatible(
                f"a front end needs a chat whose tokenizer is at hand (LocalChat); got {type(inner).__name__}."
            )
        self.tokenizer = inner.tokenizer
        self.special, self.headers = special_texts(inner), headers(inner)
        super().__init__(inner, [self.special, self.headers], step)

    def view(self, asked: Conversation) -> Conversation:
        return Conversation(
            [one if one.role in ("system", "draw") else one._replace(text=self.cleaned(one.text)) for one in asked]
        )

    def cleaned(self, text: str) -> str:
        """The text without delimiters, those included that only come up as others are taken out."""
        before = None
        while True:
            while (shorter := self._pattern.sub("", text)) != text:
                text = shorter
            # A tokenizer may read a delimiter where the text has none letter by letter: full width, other forms.
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            plain = [one for one in ids if one not in self._ids]
            if len(plain) == len(ids) or len(ids) == before:  # the latter where a tokenizer adds one by itself
                return text
            before, text = len(ids), str(self.tokenizer.decode(plain))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        marks = [re.escape(text) for text in sorted(self.special, key=len, reverse=True)]
        turns = [rf"^[^\S\n]*{re.escape(text)}" for text in sorted(self.headers, key=len, reverse=True)]
        return re.compile("|".join([*marks, *turns]) or r"(?!)", re.MULTILINE | re.IGNORECASE)

    @cached_property
    def _ids(self) -> frozenset[int]:
        ids: Any = self.tokenizer.convert_tokens_to_ids(self.special)
        return frozenset(ids)


def special_texts(chat: OpenChat) -> list[str]:
    """The tokens that a tokenizer keeps whole, whatever stands around them; words of a language that it does are none."""
    known = chat.tokenizer.added_tokens_decoder.values()
    added = [str(token) for token in known if token.special or not str(token).isalnum()]
    return sorted({text for text in (*chat.tokenizer.all_special_tokens, *added) if text.strip()})


def headers(chat: OpenChat) -> list[str]:
    """What begins a turn in plain letters, such as `user:` or `[tool]`; a line with a special token needs none.

    Found by filling in the chat template with texts that are known.
    """
    special = special_texts(chat)
    found: set[str] = set()
    for speakers in _SPEAKERS:
        said = _PROBES[: len(speakers)]
        filled = chat.prompt_of(Conversation.of(list(zip(speakers, said, strict=True))))
        for between in _gaps(filled, said):
            for line in between.split("\n"):
                bare = line.strip()
                if bare and not bare.isalnum() and not any(text in line for text in special):
                    found.add(bare)
    return sorted(found)


def _gaps(filled: str, said: Sequence[str]) -> list[str]:
    """What the template writes after the first text: the beginning may be a whole system prompt."""
    parts = [filled]
    for text in said:
        head, _, rest = parts.pop().partition(text)
        parts += [head, rest]
    return parts[1:]
