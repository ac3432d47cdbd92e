"""Tokens spent: how much the model inside reads and writes for one benign errand, with all that is wrapped around it."""

from dataclasses import dataclass
from statistics import fmean

from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.support_desk.errands import errands
from sparring.domains.language.target import OpenChat
from sparring.domains.language.vitals.reading import chat_of


@dataclass(frozen=True)
class TokensSpent(Vital):
    """Mean tokens per errand: what the innermost chat is shown, times the forwards that were spent, and the reply.

    Latency on one machine goes with it; seconds would change with whatever else the machine does.
    Cost: one reply per errand.

    Args:
        count: errands.
    """

    count: int = 18

    @property
    def name(self) -> str:
        return "tokens per errand"

    def fits(self, target: Target) -> bool:
        return isinstance(getattr(target, "innermost", None), OpenChat)

    def read(self, target: Target) -> Reading:
        chat = chat_of(target, self.name)
        inner = chat.innermost
        assert isinstance(inner, OpenChat), "a recipe leaves this out where it does not fit"
        own = errands(self.count, "test")
        before = chat.meter.forwards
        replies = chat([one.asked for one in own])
        spent = max(1.0, (chat.meter.forwards - before) / len(own))

        def size(text: str) -> int:
            return len(inner.tokenizer.encode(text, add_special_tokens=False))

        shown = [size(inner.prompt_of(chat.through(one.asked))) for one in own]
        told = [size(reply) if isinstance(reply, str) else 0 for reply in replies]
        value = fmean(spent * (a + b) for a, b in zip(shown, told, strict=True))
        text = f"{fmean(shown):.0f} tokens are shown and {fmean(told):.0f} written, {spent:.1f} times per errand."
        return Reading(self.name, value, value, value, len(own), "lower", "tokens", text=text)
