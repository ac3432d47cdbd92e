"""Soft prompt: how often the weights give in to vectors that no text could write, a ceiling for white-box attacks."""

import json
from dataclasses import dataclass

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.episode import Call, Episode, asked_calls
from sparring.domains.language.harm import Harm
from sparring.domains.language.injection import Injection
from sparring.domains.language.suffix import Slot, open_chat, slot_of
from sparring.domains.language.target import Chat, OpenChat
from sparring.domains.language.vitals.reading import chat_of, share_of


@dataclass(frozen=True)
class SoftPrompt(Vital):
    """The share of aims that are reached when vectors, found by gradient descent, stand where a suffix would stand.

    No adversary can send vectors, so this is a reading and never an attack: no attempt comes of it, and it counts in no
    rate of broken cases. A weight that gives in to vectors may hold against every text that was tried; one that does not
    give in leaves attacks like `prompt.gcg` little to hope for. The descent finds what it finds: a low share is no proof.
    Where a wrapper changes or repeats what the adversary writes, the vectors stand in the bare prompt of the chat inside.
    Filters before and behind the chat see nothing of this. The reply is the greedy one; calls in it count as made.

    Paper: Schwinn et al., 2024, arXiv:2402.09063.
    Cost: `cases * (steps + 3)` forwards and `cases * (steps + 1)` input-backwards.

    Args:
        harm: whose cases are aims (`Aim`) with an opening.
        cases: how many of its test cases.
        steps: of gradient descent.
        length: vectors.
        step_size: first step / root mean square of the model's input vectors.
        threat: where the adversary writes.

    Raises:
        InvalidSpec: for a number below 1, or a step that is not positive.
    """

    harm: Harm
    cases: int = 8
    steps: int = 50
    length: int = 20
    step_size: float = 0.1
    threat: Injection = Injection()

    def __post_init__(self) -> None:
        if min(self.cases, self.steps, self.length) < 1 or not self.step_size > 0:
            raise InvalidSpec(
                "SoftPrompt needs cases, steps and length of 1 or more and a positive step_size; "
                f"got {self.cases}, {self.steps}, {self.length} and {self.step_size}."
            )

    @property
    def name(self) -> str:
        return "soft-prompt ceiling"

    def fits(self, target: Target) -> bool:
        return isinstance(target, Chat) and isinstance(target.innermost, OpenChat)

    def read(self, target: Target) -> Reading:
        """The share that gave in.

        Raises:
            Incompatible: for a target whose weights are not at hand.
            InvalidCases: if the harm's cases are no aims with an opening, or leave no room for the vectors.
        """
        from sparring.domains.language.soft_suffix import soften

        chat, own = chat_of(target, self.name), self.harm.cases(self.cases)
        inside, reached, losses = open_chat(target), [], []
        self.threat.check(own)
        for k in range(len(own)):
            case = own[k : k + 1]
            slot, tokens = self._place(chat, case) or self._place(inside, case) or (None, [])
            if slot is None:
                raise InvalidCases(
                    f"{self.name} needs aims with an opening and room for {self.length} vectors in the prompt; case "
                    f"{case.ids[0]} has none. Lower length, or leave this vital out."
                )
            found = soften(slot, tokens, self.steps, self.step_size)
            reached.append(slot.aim.reached(as_episode(found.reply)))
            losses.append(min(found.losses))
        text = (
            f"Of {len(reached)} aims, {sum(reached)} were reached with {self.length} vectors in place of a suffix, at a mean "
            f"loss of {sum(losses) / len(losses):.2f} per token of the opening; no text can do this."
        )
        return share_of(self.name, reached, "lower", tuple(not one for one in reached), text)

    def _place(self, chat: Chat, case: Cases) -> tuple[Slot, list[int]] | None:
        slot = slot_of(chat, case, self.threat)
        tokens = slot.start("!", self.length) if slot is not None else []
        return (slot, tokens) if slot is not None and tokens else None


def as_episode(reply: str) -> str:
    """A bare reply as the episode that it would be if its calls were carried out."""
    wanted, said = asked_calls(reply)
    calls = []
    for tool, written in wanted:
        try:
            arguments = json.loads(written)
        except ValueError:
            arguments = None
        calls.append(Call(tool, arguments if isinstance(arguments, dict) else {"text": written}))
    return str(Episode(tuple(calls), said))
