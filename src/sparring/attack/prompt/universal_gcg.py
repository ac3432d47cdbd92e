"""Universal GCG: one suffix, learned once on a few cases, that is put behind the order of every other case."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.attack.learned.journal import Journal
from sparring.attack.prompt.swapping import Swapping
from sparring.core.attack import Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED, digest, to_spec
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.conversation import conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.substitutions import candidates_of
from sparring.domains.language.suffix import Slot, plain_tokens, slot_of, written
from sparring.domains.language.target import Chat


@dataclass(frozen=True)
class UniversalGCG(Swapping):
    """One suffix for all cases, learned by GCG against the first of the cases that `prepare` is given.

    `prepare` learns it and returns the attack that holds it; running an attack that was not prepared learns it on the
    very cases it attacks, which flatters it. It begins with one case, and takes in the next whenever the target's replies
    reach the aims of all that it has. Cases that `prompt.gcg` would refuse are passed over as it learns; at the end every
    case gets the suffix, as far as the threat admits it.

    Paper: Zou et al., 2023, arXiv:2307.15043, algorithm 2.
    Differs: as `prompt.gcg` does; each case's gradient is scaled to unit length before they are added, as in the authors'
    code; replies are looked at every `every` steps, and the search is over once all `together` cases are broken.
    Cost of learning: `steps * together * (candidates + 1)` forwards and `steps * together` input-backwards at most, and 3 * `together`
    forwards every `every` steps. Cost per case: 0 forwards, where `prepare` was called.

    Args:
        together: cases that it learns on, at most; `steps` count over all of them, `candidates` are tried on each.
        suffix: what was learned.
        notes: on how many cases, and how far it came.

    The other settings and errors: as `Swapping` has them.
    """

    family = "gcg"
    together: int = 8
    suffix: str | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False, metadata=LEARNED)  # type: ignore[override]

    @property
    def _counts(self) -> dict[str, int]:
        return {"together": self.together, **super()._counts}

    def cost(self, target: Target) -> int:
        return 0 if self.suffix is not None else self.steps * (self.candidates + 1) + 3 * -(-self.steps // self.every)

    def prepare(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
    ) -> "UniversalGCG":
        """Learns the suffix.

        Raises:
            InvalidCases: if there is no case in whose prompt a suffix can stand.
            RunMismatch: if the workspace holds what something else learned.
        """
        self.check(target, threat)
        threat.check(cases)
        seed = Seed.of(seed)
        asked = {
            "attack": to_spec(self), "seed": seed.value, "threat": to_spec(threat), "target": target.fingerprint(),
            "cases": digest([cases.ids, conversations(cases.inputs), cases.goals]),
        }  # fmt: skip
        lesson = _Lesson(self, target, cases, threat, seed)  # type: ignore[arg-type]
        journal, state = Journal(workspace, asked), lesson.begin
        for done in range(0, self.steps, self.every):
            steps, before = range(done, min(done + self.every, self.steps)), state
            (state,) = journal.recall("round", [str(done)], lambda _, s=steps, b=before: [lesson.advance(b, s)])
            if state["over"]:
                break
        note = (
            f"the suffix was learned on {state['active']} of {len(lesson.slots)} cases and broke {state['broken']} of them, "
            f"at a mean loss of {state['loss']:.2f}"
        )
        return replace(self, suffix=lesson.slots[0].text(state["tokens"]), notes=(note,))

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        ready = self if self.suffix is not None else self.prepare(target, cases, threat, seed=seed)
        threat.check(cases)
        tried = [written(threat, cases[k : k + 1], str(ready.suffix)) for k in range(len(cases))]
        admitted = threat.admits(cases, tried)
        inputs = [one if fits else own for one, fits, own in zip(tried, admitted, cases.inputs, strict=True)]
        return Attempts(inputs, torch.zeros(len(cases), dtype=torch.bool), refused=~torch.tensor(admitted))


class _Lesson:
    """The cases that the suffix is learned on, and one round of steps on those that take part so far.

    A state is plain data: the suffix's `tokens`, its mean `loss`, how many cases are `active`, how many of them the last
    look found `broken`, and whether it is `over`.
    """

    def __init__(self, how: UniversalGCG, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> None:
        self.how, self.target, self.stream = how, target, seed.child("universal gcg").stream(["suffix"])
        self.slots, tokens = self._places(target, cases, threat)
        if not self.slots:
            raise InvalidCases(
                f"{how.name} found no case among {len(cases)} to learn on: it needs aims with an opening, room in the prompt, "
                "and a target whose wrappers leave the suffix as it is."
            )
        chat = self.slots[0].chat
        self.allowed = plain_tokens(chat, " " in self.slots[0].text(tokens))
        self.begin: dict[str, Any] = {"tokens": tokens, "loss": float("inf"), "active": 1, "broken": 0, "over": False}

    def advance(self, state: dict[str, Any], steps: range) -> dict[str, Any]:
        """The state after these steps."""
        from sparring.domains.language.networks import network
        from sparring.domains.language.suffix_loss import SuffixLoss

        how, tokens, active = self.how, list(state["tokens"]), self.slots[: state["active"]]
        through = network(active[0].chat.model)
        losses = [SuffixLoss(s.chat, through, s.head, s.foot, s.opening, len(tokens)) for s in active]
        loss, gradient = float("inf"), None
        for step in steps:
            suffix = torch.tensor(tokens, device=losses[0].opening.device)
            if gradient is None:
                told = [one.gradient(suffix) for one in losses]
                loss = min(loss, sum(value for value, _ in told) / len(told))
                gradient = torch.stack(
                    [slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-12) for _, slope in told]
                ).sum(0)
            rows = candidates_of(
                suffix, gradient, self.allowed, self.stream, step, count=how.candidates, topk=how.topk,
                replace=how.replace, keeps=lambda row: all(slot.round_trips(row) for slot in active),
            )  # fmt: skip
            values = torch.stack([one.losses(rows) for one in losses]).mean(0)
            better = _first(values, rows, loss, active)
            if better is not None:
                tokens, loss, gradient = rows[better].tolist(), float(values[better]), None
        replies = self.target([slot.attempt(slot.text(tokens)) for slot in active])
        broken = sum(isinstance(r, str) and slot.aim.reached(r) for r, slot in zip(replies, active, strict=True))
        all_broken = broken == len(active)
        over = all_broken and len(active) == len(self.slots)
        grown = len(active) + (all_broken and not over and steps.stop < how.steps)
        return {"tokens": tokens, "loss": loss, "active": grown, "broken": broken, "over": over}

    def _places(self, target: Chat, cases: Cases, threat: Injection) -> tuple[list[Slot], list[int]]:
        """Up to `together` cases in whose prompts the same tokens can stand, and those tokens."""
        slots: list[Slot] = []
        tokens: list[int] = []
        for k in range(len(cases)):
            slot = slot_of(target, cases[k : k + 1], threat)
            begin = slot.start(self.how.start, self.how.length) if slot is not None else []
            if slot is not None and begin and begin == (tokens or begin):
                slots, tokens = [*slots, slot], begin
            if len(slots) == self.how.together:
                break
        return slots, tokens


def _first(values: Tensor, rows: Tensor, loss: float, slots: list[Slot]) -> int | None:
    """The best candidate below the loss that reaches every case's model unchanged."""
    for k in torch.argsort(values).tolist():
        if not float(values[k]) < loss:
            return None
        if all(slot.stands(rows[k].tolist()) for slot in slots):
            return k
    return None
