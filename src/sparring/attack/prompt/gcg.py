"""GCG: swaps tokens of a suffix, guided by the gradient, until the model opens its reply as the adversary wants."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring.attack.prompt.swapping import Swapping
from sparring.core.attack import Attempts
from sparring.core.cases import Cases
from sparring.core.seed import Seed, Stream
from sparring.core.target import Target
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.substitutions import candidates_of
from sparring.domains.language.suffix import Slot, open_chat, plain_tokens, slot_of
from sparring.domains.language.target import Chat

if TYPE_CHECKING:
    from sparring.domains.language.networks import Network


@dataclass(frozen=True)
class GCG(Swapping):
    """Greedy coordinate gradient: the order, and behind it a suffix that makes the aim's opening likely.

    It reads the weights of the innermost chat, and knows what wrappers make of the conversation. A case is refused where
    a wrapper changes or repeats the suffix, where the prompt leaves no room for it, and where the aim has no opening.
    Candidates are printable ASCII, and are read by the model as the very tokens that were tried. The attempt is the
    suffix of lowest loss, or the first that reached the aim; the target is asked every `every` steps.

    Paper: Zou et al., 2023, arXiv:2307.15043, algorithm 1 and equation 4.
    Differs: a suffix is kept until a better one is found, where the paper goes on from the best candidate even if it is
    worse; no candidate is drawn twice; a candidate whose text is tokenised otherwise is replaced by another draw; the
    loss is the mean over the opening's tokens, and the search stops once the target's own reply reaches the aim. Keys and
    values of the prompt up to the first swapped token are computed once.
    Cost per case: `steps * (candidates + 1)` forwards and `steps` input-backwards at most, and 2 forwards every `every`
    steps (reading the prompt, and a reply). A step that finds nothing better leaves its gradient to the next.

    Args and errors: as `Swapping` has them.
    """

    family = "gcg"

    def cost(self, target: Target) -> int:
        return self.steps * (self.candidates + 1) + 2 * -(-self.steps // self.every)

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        from sparring.domains.language.networks import network

        threat.check(cases)
        through = network(open_chat(target).model)
        hunts = self._hunts(target, cases, threat, seed)
        for done in range(0, self.steps, self.every):
            going = [hunt for hunt in hunts if hunt is not None and not hunt.found]
            for hunt in going:
                hunt.advance(self, through, range(done, min(done + self.every, self.steps)))
            if going:
                for hunt, reply in zip(going, target([hunt.attempt for hunt in going]), strict=True):
                    hunt.found = isinstance(reply, str) and hunt.slot.aim.reached(reply)
        return Attempts(
            [own if hunt is None else hunt.attempt for hunt, own in zip(hunts, cases.inputs, strict=True)],
            torch.tensor([hunt is not None and hunt.found for hunt in hunts]),
            refused=torch.tensor([hunt is None for hunt in hunts]),
        )

    def _hunts(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> list["Hunt | None"]:
        seed, hunts = seed.child("gcg"), []
        pools: dict[bool, Tensor] = {}
        for k in range(len(cases)):
            slot = slot_of(target, cases[k : k + 1], threat)
            begin = slot.start(self.start, self.length) if slot is not None else []
            if slot is None or not begin:
                hunts.append(None)
                continue
            spaced = " " in slot.text(begin)
            if spaced not in pools:
                pools[spaced] = plain_tokens(slot.chat, spaced)
            hunts.append(Hunt(slot, begin, pools[spaced], seed.stream(slot.case.ids)))
        return hunts


class Hunt:
    """The search for one case's suffix.

    Args:
        slot: where the suffix stands.
        tokens: of the suffix to begin with.
        allowed: bool, shape (vocabulary,): tokens that may be swapped in.
        stream: of the case.
    """

    def __init__(self, slot: Slot, tokens: list[int], allowed: Tensor, stream: Stream) -> None:
        self.slot, self.allowed, self.stream = slot, allowed, stream
        self.tokens, self.loss, self.found = tokens, float("inf"), False
        self.losses: list[float] = []  # after each step

    @property
    def attempt(self) -> Conversation:
        return self.slot.attempt(self.slot.text(self.tokens))

    def advance(self, how: GCG, through: "Network", steps: range) -> None:
        """Some steps; what their number and the case decide does not depend on how they are cut."""
        from sparring.domains.language.suffix_loss import SuffixLoss

        slot = self.slot
        loss = SuffixLoss(slot.chat, through, slot.head, slot.foot, slot.opening, len(self.tokens))
        gradient: Tensor | None = None
        for step in steps:
            suffix = torch.tensor(self.tokens, device=loss.opening.device)
            if gradient is None:
                value, gradient = loss.gradient(suffix)
                self.loss = min(self.loss, value)
            rows = candidates_of(
                suffix, gradient, self.allowed, self.stream, step,
                count=how.candidates, topk=how.topk, replace=how.replace, keeps=slot.round_trips,
            )  # fmt: skip
            values = loss.losses(rows)
            for k in torch.argsort(values).tolist():
                if not float(values[k]) < self.loss:
                    break
                if slot.stands(rows[k].tolist()):
                    self.tokens, self.loss, gradient = rows[k].tolist(), float(values[k]), None
                    break
            self.losses.append(self.loss)
