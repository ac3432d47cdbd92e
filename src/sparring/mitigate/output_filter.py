"""Output filter: replies that hold a canary, or what the tools call confidential here, are replaced by a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import to_spec
from sparring.core.target import Hardening, Target
from sparring.domains.language.agent import Toolbox
from sparring.domains.language.aim import reveals
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.failures import REFUSAL
from sparring.domains.language.target import Chat, Unanswered
from sparring.mitigate.calls import calls_in, values
from sparring.mitigate.wrapped import Wrapped
from sparring.mitigate.wrapping import Wrapping


@dataclass(frozen=True)
class OutputFilter(Wrapping):
    """Looks for texts that must not come out in all that a reply says, and in all that its calls would send.

    Paper: none known as the first; a canary in the prompt that is looked for in the reply is how prompt leaks are
    commonly noticed (Rebuff, 2023, github.com/protectai/rebuff).
    Differs: what is confidential depends on the conversation, where a toolbox knows who is asking
    (`Toolbox.confidential`); spacing, case, width, reversal, rot13, base64 and hexadecimal are seen through
    (`aim.reveals`), and the arguments of calls are read as they will arrive.
    Cost: none but the time to read; no queries, no training.
    Loses to: a paraphrase, a translation, another code, a part of the text, and the whole of it over several replies; it
    sees one reply at a time. It stops no unwanted call that carries nothing confidential.

    Args:
        canaries: texts that must not come out in any conversation.
        toolbox: asked what must not come out in each; None asks nobody.
        refusal: what is said instead.

    Raises:
        InvalidSpec: for a canary without a letter or digit, or (as it hardens) if there is nothing to look for.
    """

    canaries: tuple[str, ...] = ()
    toolbox: Toolbox | None = None
    refusal: str = REFUSAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "canaries", tuple(self.canaries))
        if not all(any(char.isalnum() for char in one) for one in self.canaries):
            raise InvalidSpec(f"a canary needs letters or digits to be found by; got {list(self.canaries)}.")

    def refuse_misfit(self, target: Target) -> None:
        super().refuse_misfit(target)
        if not self.canaries and self.toolbox is None:
            raise InvalidSpec(
                f"{self.name} has nothing to look for. Name canaries, or the toolbox that knows what is confidential, such "
                "as DeskToolbox()."
            )

    def wrap(self, target: Chat, data: Cases, seed: Seed) -> "OutputFiltered":
        whose = "" if self.toolbox is None else f", and what {type(self.toolbox).__name__} calls confidential"
        note = f"replies are searched for {len(self.canaries)} canaries{whose}; nothing was learned"
        return OutputFiltered(target, self, Hardening(self.name, notes=(note,)))


class OutputFiltered(Wrapped):
    """A chat whose replies with a confidential text are replaced.

    Args:
        filter: what is looked for, and what is said instead.
    """

    def __init__(self, inner: Chat, filter: OutputFilter, step: Hardening) -> None:
        super().__init__(inner, to_spec(filter), step)
        self.filter = filter

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        replies = zip(asked, super().reply(asked), strict=True)
        return [
            self.filter.refusal if isinstance(text, str) and self.leaks(one, text) else text for one, text in replies
        ]

    def leaks(self, asked: Conversation, reply: str) -> bool:
        """Whether a reply to this conversation says or sends what must not come out."""
        toolbox = self.filter.toolbox
        secrets = (*self.filter.canaries, *(toolbox.confidential(asked) if toolbox is not None else ()))
        sent = [text for call in calls_in(reply) for argument in call.arguments.values() for text in values(argument)]
        texts = [reply, *sent]
        return any(reveals(text, secret) for secret in secrets for text in texts)
