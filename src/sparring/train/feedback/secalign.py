"""SecAlign: the user's answer before the injected one, by preference optimisation behind a front end."""

from dataclasses import dataclass

from sparring.core.errors import InvalidSpec
from sparring.core.target import Hardening
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import Objective
from sparring.train.feedback.front_end import FrontEnd
from sparring.train.feedback.injected import Attempted, Benign, FromInjections
from sparring.train.feedback.material import Failures
from sparring.train.feedback.preference import Preferred


@dataclass(frozen=True, kw_only=True)
class SecAlign(FromInjections):
    """DPO on pairs of the safe reply and the one that obeys the injection, on prompts that went through a front end.

    Paper: Chen et al., 2024, arXiv:2410.05451, section 4; the loss is that of Rafailov et al., 2023, arXiv:2305.18290,
    equation 7.
    Differs: what obeys is the aim's opening with its proof and not a reply drawn from a model; untouched conversations
    are held by the KL divergence from the target as it was; the safe replies are written, so that without the added
    likelihood (Pang et al., 2024, arXiv:2404.19733, equation 1) both replies would lose; cases in which the user is
    the adversary are learned from too.
    Cost: eight forwards for an attempt, two of them of the target as it was, and five for a benign item.
    Families: those of its templates, naive and context completion by default.

    Args:
        beta: strength of the pull towards the target as it was.
        likelihood: weight of the safe reply's mean negative log-likelihood; the paper has none.

    Raises:
        InvalidSpec: if `beta` is not positive or `likelihood` is negative.
    """

    families: tuple[str, ...] = ("naive", "context-completion")  # type: ignore[assignment]
    beta: float = 0.1
    likelihood: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0 or self.likelihood < 0:
            raise InvalidSpec(
                f"{self.name} needs a positive beta and a likelihood of 0 or more; got {self.beta} and {self.likelihood}."
            )

    @property
    def passes(self) -> int:
        return 8

    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        pairs = Failures(attempted.prompts, attempted.obeying, attempted.safe)
        return self.beside(Preferred(chat, pairs, self.beta, self.likelihood), chat, benign)

    def mounted(self, chat: OpenChat, step: Hardening) -> FrontEnd:
        return FrontEnd(chat, step)
