"""Safe behaviour: fine-tune on what should be said to attempts made of templates; the plain baseline of its kind."""

from dataclasses import dataclass

from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import Continue, Objective
from sparring.train.feedback.injected import Attempted, Benign, FromInjections


@dataclass(frozen=True, kw_only=True)
class SafeBehaviour(FromInjections):
    """Maximum likelihood of each aim's safe reply to attempts on it; benign replies stay distributed as they were.

    Paper: Yi et al., 2023, arXiv:2312.14197, the white-box defence (fine-tuning on injected texts with the answer to the
    user's own question).
    Differs: no tokens are added to mark what is brought in; cases in which the user is the adversary are learned from
    too, and there the safe reply declines; untouched conversations are held by the KL divergence from the target as
    it was; LoRA.
    Cost: three forwards for an attempt, and five for a benign item, its reply among them.
    Families: those of its templates.
    """

    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        return self.beside(Continue(chat, attempted.prompts, attempted.safe), chat, benign)
