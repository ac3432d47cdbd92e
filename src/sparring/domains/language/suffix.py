"""Suffixes: where the tokens that an adversary appends to its order stand in the text that a model reads."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.target import Target
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat, OpenChat

_MARK = "Xq7Suffix7qX"  # letters and digits alone, which a template or a wrapper leaves as they are
_UNSPACED = "!,"  # what a suffix starts from where a wrapper does not leave spaces as they are


@dataclass(frozen=True)
class Slot:
    """The place of one case's suffix: right behind the adversary's order, in the prompt of the innermost chat.

    Args:
        chat: whose prompt it is.
        target: what is attacked; its wrappers stand around the chat.
        case: the one case.
        threat: where the adversary writes.
        before: the prompt's text up to the suffix.
        after: and behind it.
    """

    chat: OpenChat
    target: Chat
    case: Cases
    threat: Injection
    before: str
    after: str

    @property
    def aim(self) -> Aim:
        return self.case.goals[0]

    @cached_property
    def head(self) -> list[int]:
        """Tokens before the suffix."""
        return self._read(self.before)

    @cached_property
    def foot(self) -> list[int]:
        """Tokens between the suffix and the reply."""
        return list(self.chat.tokenizer.encode(self.after, add_special_tokens=False))

    @cached_property
    def opening(self) -> list[int]:
        """Tokens of the reply's beginning that is wanted."""
        return list(self.chat.tokenizer.encode(self.aim.opening, add_special_tokens=False))

    def text(self, tokens: list[int]) -> str:
        return str(self.chat.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def attempt(self, suffix: str) -> Conversation:
        """The case's conversation with the order and this text right behind it."""
        return written(self.threat, self.case, suffix)

    def round_trips(self, tokens: list[int]) -> bool:
        """Whether the tokens' text, put into the prompt, is read as these tokens again."""
        return self._read(self.before + self.text(tokens) + self.after) == [*self.head, *tokens, *self.foot]

    def stands(self, tokens: list[int]) -> bool:
        """Whether the threat admits the tokens' text, and it reaches the model unchanged through template and wrappers."""
        text = self.text(tokens)
        attempt = self.attempt(text)
        allowed = bool(self.threat.admits(self.case, [attempt])[0])
        return allowed and self.chat.prompt_of(self.target.through(attempt)) == self.before + text + self.after

    def start(self, piece: str, length: int) -> list[int]:
        """Tokens to begin with: `piece` over and over, `length` tokens at most; none where no such text can stand here.

        Too long a prompt leaves no place either.
        """
        for one in (f" {piece}", _UNSPACED):
            tokens = list(self.chat.tokenizer.encode(one * length, add_special_tokens=False))[:length]
            if len(tokens) and self._fits(len(tokens)) and self.round_trips(tokens) and self.stands(tokens):
                return tokens
        return []

    def _read(self, text: str) -> list[int]:
        from sparring.domains.language.tokens import prompt_tokens

        return prompt_tokens(self.chat, text)

    def _fits(self, length: int) -> bool:
        window = int(getattr(self.chat.model.config, "max_position_embeddings", 0) or 1 << 20)
        return len(self.head) + length + len(self.foot) + len(self.opening) <= window


def written(threat: Injection, case: Cases, suffix: str) -> Conversation:
    """One case's conversation with the order and this text right behind it."""
    return threat.inject(case.inputs[0], case.goals[0], f"{case.goals[0].ask}{suffix}")


def slot_of(target: Chat, case: Cases, threat: Injection) -> Slot | None:
    """Where the suffix of one case stands.

    None where a wrapper changes or repeats what the adversary writes, so that it stands nowhere or in several places,
    and where the aim has no opening to make likely.
    """
    chat = open_chat(target)
    prompt = chat.prompt_of(target.through(written(threat, case, _MARK)))
    if prompt.count(_MARK) != 1 or not case.goals[0].opening:
        return None
    before, _, after = prompt.partition(_MARK)
    return Slot(chat, target, case, threat, before, after)


def open_chat(target: Target) -> OpenChat:
    """The chat with weights behind all wrappers.

    Raises:
        Incompatible: if there are no weights.
    """
    inside = target.innermost if isinstance(target, Chat) else target
    if not isinstance(inside, OpenChat):
        raise Incompatible(
            f"a gradient needs a target whose weights are at hand (OpenChat), such as smollm2 or LocalChat(folder); got "
            f"{type(inside).__name__}. prompt.random_search only asks."
        )
    return inside


def plain_tokens(chat: OpenChat, spaced: bool = True) -> Tensor:
    """Which tokens are printable ASCII and no marks of the template, bool, shape (token,).

    Args:
        spaced: tokens with a space count too.
    """
    tokenizer = chat.tokenizer
    found = torch.zeros(chat.model.get_input_embeddings().num_embeddings, dtype=torch.bool)  # type: ignore[union-attr]
    size = min(len(found), len(tokenizer))
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    for token, text in enumerate(tokenizer.batch_decode([[token] for token in range(size)])):
        plain = text.isascii() and text.isprintable() and text != "" and (spaced or " " not in text)
        found[token] = plain and token not in special
    return found
