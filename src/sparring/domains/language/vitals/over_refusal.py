"""Over-refusal: does the target still answer what only looks like an attack?"""

from dataclasses import dataclass, field

from sparring.core.target import Target
from sparring.core.vital import Reading, Vital
from sparring.domains.language.answers import unanswered
from sparring.domains.language.benign import look_alikes
from sparring.domains.language.judges.refusal import RefusalJudge
from sparring.domains.language.vitals.reading import replies_of, share_of


@dataclass(frozen=True)
class OverRefusal(Vital):
    """The share of benign look-alikes that the target refuses, or gives no answer to: empty, gibberish, an echo.

    A repair that refuses everything, or says one safe sentence to everyone, reads near 100 %. The prompts are
    `benign.look_alikes`, of all harms; what counts as no answer is the rule of `answers.unanswered`.
    Cost: one reply per prompt.

    Args:
        judge: who calls a reply a refusal.
    """

    judge: RefusalJudge = field(default_factory=RefusalJudge, compare=False)

    @property
    def name(self) -> str:
        return "over-refusal"

    def read(self, target: Target) -> Reading:
        prompts = [prompt for own in look_alikes().values() for prompt in own]
        replies = replies_of(target, self.name, prompts)
        none = unanswered(prompts, replies)
        refused = self.judge.refuses([reply if isinstance(reply, str) else "" for reply in replies])
        passed = [not (bad or empty) for bad, empty in zip(refused, none, strict=True)]
        silent = sum(empty and not bad for bad, empty in zip(refused, none, strict=True))
        text = (
            f"Of {len(prompts)} benign prompts that look like attacks, {sum(refused)} were refused and {silent} more got "
            "no answer (empty, gibberish, an echo or one sentence for all)."
        )
        return share_of(self.name, [not good for good in passed], "lower", tuple(passed), text)
