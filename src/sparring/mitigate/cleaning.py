"""How a purifier learns: pairs of attacked and untouched images, and the net that turns the first into the second."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.cases import Cases
from sparring.core.fit import Learner, Step
from sparring.core.opponent import Opponent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.image.generators import Cleaner, Critic, seeded
from sparring.domains.image.purified import Purified

_BLOCK = 256


class Pairs:
    """Images as the net is shown them, beside what it is to give back: one attack after the other, then no attack.

    Args:
        cases: untouched.
        attempts: of each attack, in the shape of the cases' inputs.
    """

    def __init__(self, cases: Cases, attempts: Sequence[Tensor]) -> None:
        self.cases, self.shown = cases, torch.cat([*attempts, cases.inputs])

    def __len__(self) -> int:
        return len(self.shown)

    def __getitem__(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Shown and wanted images at these positions, both (batch, channel, height, width)."""
        return self.shown[index], self.cases.inputs[index % len(self.cases)]

    @property
    def attempts(self) -> Tensor:
        return self.shown[: -len(self.cases)]

    def distance(self, images: Tensor) -> float:
        """Mean squared error of what became of the attempts, such as the attempts themselves."""
        wanted = self.cases.inputs
        return float(torch.stack([(part - wanted).square().mean() for part in images.split(len(wanted))]).mean())

    @torch.no_grad()
    def notes(self, purified: Purified) -> tuple[str, ...]:
        """What the purifier does for these cases, in sentences for the report."""
        inputs, labels, bare = self.cases.inputs, self.cases.goals.labels, purified.classifier
        attacked, again = self.attempts, labels.repeat(len(self.attempts) // len(labels))
        before = self.distance(attacked)
        after = self.distance(torch.cat([purified.clean(block) for block in attacked.split(_BLOCK)]))
        return (
            f"mean squared error of {len(attacked)} held-back attempts: {before:.2g} before purification, {after:.2g} after",
            f"oblivious figure: of these attempts, made against the bare classifier, {_right(purified, attacked, again)} "
            f"are classified right with the purifier and {_right(bare, attacked, again)} without; it says nothing about "
            "an attacker who knows of the purifier",
            f"untouched: {_right(purified, inputs, labels)} right with the purifier, {_right(bare, inputs, labels)} without",
        )


class Cleaning(Learner):
    """A cleaner at school: it is shown pairs, and never the classifier that it is to stand in front of.

    Args:
        pairs: to learn from.
        held: to choose the best epoch on.
        width: channels of the net's thinnest layer, and of the critic's.
        adversarial: weight of a critic that tells what was cleaned from what is untouched; 0 for none.
        schedule: of the net, and of the critic at half the rate.
        seed: of the first weights.
    """

    def __init__(
        self, pairs: Pairs, held: Pairs, width: int, adversarial: float, schedule: Schedule, seed: Seed
    ) -> None:
        self.pairs, self.held, self.adversarial, self.size = pairs, held, adversarial, len(pairs)
        self.unit = pairs.distance(pairs.attempts)
        channels, device = pairs.cases.inputs.shape[1], pairs.cases.inputs.device
        self.net = self.module = seeded(seed.child("cleaner"), lambda: Cleaner(channels, width)).to(device)
        self.critic = None
        if adversarial:
            critic = seeded(seed.child("critic"), lambda: Critic(channels, width)).to(device)
            self.critic = Opponent(critic, replace(schedule, peak=schedule.peak / 2), "the purifier's critic")

    def backward(self, step: Step) -> dict[str, Tensor]:
        shown, wanted = self.pairs[step.index]
        cleaned = self.net(shown)
        losses = self._errors(cleaned, wanted)
        sums = {"error": losses.detach().sum()}
        if self.critic is not None:
            told, sums["critic"] = self._told(cleaned, wanted, step.done)
            losses = losses + self.adversarial * told
        losses.mean().backward()
        return {"loss": losses.detach().sum(), **sums}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        blocks = torch.arange(len(self.held)).split(_BLOCK)
        errors = [self._errors(self.net(shown), wanted) for shown, wanted in (self.held[block] for block in blocks)]
        error = float(torch.cat(errors).mean())
        return {"val_error": error, "score": -error}

    def _errors(self, cleaned: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared error of each image in units of what the attacks changed on average, shape (batch,)."""
        return (cleaned - wanted).square().flatten(1).mean(1) / self.unit

    def _told(self, cleaned: Tensor, wanted: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """How much each cleaned image looks like one, shape (batch,), and the critic's loss; the critic learns."""
        assert self.critic is not None
        critic = self.critic.module
        losses = functional.softplus(-critic(cleaned.detach())) + functional.softplus(critic(wanted))
        losses.mean().backward()
        self.critic.step(done)
        critic.requires_grad_(False)  # it passes a gradient on, and collects none
        told = functional.softplus(critic(cleaned))
        critic.requires_grad_(True)
        return told, losses.detach().sum()

    def state(self) -> dict[str, Any]:
        return {} if self.critic is None else {"critic": self.critic.state()}

    def restore(self, state: dict[str, Any]) -> None:
        if self.critic is not None:
            self.critic.restore(state["critic"])


def _right(target: Any, inputs: Tensor, labels: Tensor) -> str:
    answers = torch.cat([target.respond(block).argmax(1) for block in inputs.split(_BLOCK)])
    return f"{float((answers == labels).float().mean()):.1%}"
