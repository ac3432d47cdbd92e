"""Wrapping: what all defences share that stand around a chat and leave its weights alone."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.language.agent import Agent
from sparring.domains.language.target import Chat
from sparring.mitigate.wrapped import Wrapped


class Wrapping(Defence):
    """Base of defences that read the conversation before a chat does, or its reply before anybody else.

    A chat with tools is wrapped inside: around the agent, nothing would see what its tools bring in.

    Raises:
        Incompatible: for a target that does not chat, or an agent.
    """

    needs_target = Chat
    learns = False

    def refuse_misfit(self, target: Target) -> None:
        if not isinstance(target, Chat):
            raise Incompatible(f"{self.name} wraps a Chat target; got {type(target).__name__}.")
        inside: Chat = target
        while isinstance(inside, Wrapped):
            inside = inside.inner
        if isinstance(inside, Agent):
            raise Incompatible(
                f"{self.name} wraps the chat that an agent asks, or it would not see what tools bring in; got the Agent "
                "itself. Use agent.around(defence.harden(agent.inner, data))."
            )

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Wrapped:
        """The target with this defence around it."""
        self.refuse(target, data)
        return self.wrap(target, data, Seed.of(seed))

    @abstractmethod
    def wrap(self, target: Chat, data: Cases, seed: Seed) -> Wrapped:
        """The wrapper itself, with everything checked."""
