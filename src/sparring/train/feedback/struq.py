"""StruQ: turns that nobody can fake, and a model that answers the user whatever the data say."""

from dataclasses import dataclass

from sparring.core.target import Hardening
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import Continue, Objective
from sparring.train.feedback.front_end import FrontEnd
from sparring.train.feedback.injected import Attempted, Benign, FromInjections


@dataclass(frozen=True, kw_only=True)
class StruQ(FromInjections):
    """Likelihood of the safe reply to injected texts, on prompts that went through a front end without delimiters.

    Paper: Chen et al., 2024, arXiv:2402.06363, section 4 (structured queries: front-end and structured tuning).
    Differs: a chat that follows instructions already is adapted (LoRA), and no base model is tuned anew; data travel as a
    tool's turn between the template's own special tokens; half of the items are untouched, as in the paper, but
    under the KL divergence from the target's own replies; cases in which the user is the adversary are learned from
    too, where the paper trusts the user.
    Cost: three forwards for an attempt, and five for a benign item, its reply among them.
    Families: those of its templates, naive and context completion by default.
    """

    families: tuple[str, ...] = ("naive", "context-completion")  # type: ignore[assignment]

    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        return self.beside(Continue(chat, attempted.prompts, attempted.safe), chat, benign)

    def mounted(self, chat: OpenChat, step: Hardening) -> FrontEnd:
        return FrontEnd(chat, step)
