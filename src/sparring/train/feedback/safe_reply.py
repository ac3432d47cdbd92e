"""Safe replies: fine-tune on what the target should have said to what broke it."""

from dataclasses import dataclass

from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import Continue, Objective
from sparring.train.feedback.material import Failures, FromFailures


@dataclass(frozen=True, kw_only=True)
class SafeReply(FromFailures):
    """Maximum likelihood of each harm's safe reply to the failures; benign replies stay distributed as they were.

    Paper: Xu et al., 2020, arXiv:2010.07079, section 4.3 (baked-in safety by fine-tuning on safe replies).
    Differs: LoRA on an instruction-tuned model; the benign half is the model's own replies and no data set, under the KL
    divergence from the target as it was, so what is kept up is how this model answers.
    Cost: one reply per benign item, three forwards per item, and one more for a benign one.
    """

    learns_harmful = False

    def objective(self, chat: OpenChat, failures: Failures) -> Objective:
        return Continue(chat, failures.prompts, failures.safe)
