"""Hints: what a search learns from one attempt; from the reply alone, or from the weights of the chat inside."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.core.errors import Incompatible, InvalidCases
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat, OpenChat

# Whether the aim was reached, and how near the attempt came (more is nearer); None where the target gave no answer.
Reading = tuple[bool, float] | None


class Hint(ABC):
    """Reads how near an attempt came, for one forward. Subclasses are frozen dataclasses."""

    def check(self, target: Chat) -> None:
        """Raises Incompatible unless the target gives what is read."""

    @abstractmethod
    def readings(self, target: Chat, attempts: Sequence[Conversation], aims: Sequence[Aim]) -> list[Reading]:
        """One reading per attempt."""


@dataclass(frozen=True)
class Replies(Hint):
    """What the target answers: whether it reached the aim, and `Aim.closeness`, in [0, 1]."""

    def readings(self, target: Chat, attempts: Sequence[Conversation], aims: Sequence[Aim]) -> list[Reading]:
        answers = zip(aims, target(list(attempts)), strict=True)
        return [(aim.reached(one), aim.closeness(one)) if isinstance(one, str) else None for aim, one in answers]


@dataclass(frozen=True)
class Openings(Hint):
    """How likely the chat inside is to begin as one does that gives in: mean log probability per token, 0 at most.

    It knows what the wrappers around the chat make of an attempt (`Chat.through`), and tells apart attempts that all
    fail. An aim without an opening, and a text past the model's window, give no reading.
    """

    def check(self, target: Chat) -> None:
        if not isinstance(target.innermost, OpenChat):
            raise Incompatible(
                f"Openings needs a chat with its weights at hand (OpenChat); {target.name} is a "
                f"{type(target.innermost).__name__} inside. Use Replies()."
            )

    def readings(self, target: Chat, attempts: Sequence[Conversation], aims: Sequence[Aim]) -> list[Reading]:
        chat = target.innermost
        assert isinstance(chat, OpenChat)
        told = [k for k, aim in enumerate(aims) if aim.opening]
        prompts = [chat.prompt_of(target.through(attempts[k])) for k in told]
        found = dict(zip(told, _likelihoods(chat, prompts, [aims[k].opening for k in told]), strict=True))
        return [None if (near := found.get(k)) is None else (False, near) for k in range(len(aims))]


def _likelihoods(chat: OpenChat, prompts: Sequence[str], openings: Sequence[str]) -> list[float | None]:
    if not prompts:
        return []
    try:
        return [float(tokens.mean()) for tokens in chat.log_probabilities(prompts, openings)]
    except InvalidCases:  # one of them is too long
        half = len(prompts) // 2
        if half == 0:
            return [None]
        return [
            *_likelihoods(chat, prompts[:half], openings[:half]),
            *_likelihoods(chat, prompts[half:], openings[half:]),
        ]
