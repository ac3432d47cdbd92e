"""Safe replies: fine-tune on what the target should have said to what broke it."""

from dataclasses import dataclass

from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import Continue, Objective
from sparring.train.feedback.material import Failures, FromFailures


@dataclass(frozen=True, kw_only=True)
class SafeReply(FromFailures):
    """Maximum likelihood of each harm's safe reply to the failures, and of the target's own benign replies.

    Paper: Xu et al., 2020, arXiv:2010.07079, section 4.3 (baked-in safety by fine-tuning on safe replies).
    Differs: LoRA on an instruction-tuned model; the benign half is the model's own replies and no data set, so what is
    kept up is how this model answers.
    Cost: one reply per benign item, and three forwards per item.
    """

    learns_harmful = False

    def objective(self, chat: OpenChat, failures: Failures) -> Objective:
        return Continue(chat, failures.prompts, failures.safe)
