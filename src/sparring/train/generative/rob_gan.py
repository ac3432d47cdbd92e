"""Rob-GAN: a generator paints images of each class, and the classifier tells them from real ones that are attacked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.attack import InnerAttack
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.fit import Step
from sparring.core.opponent import Opponent
from sparring.core.panel import Panel
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.target import Target, Trainable
from sparring.core.threat import ThreatModel
from sparring.core.training import Batch, Counts, Lesson, Training
from sparring.domains.image.exhibit import sheet
from sparring.domains.image.generators import Painter, check_images, seeded
from sparring.train.generative.signs import painter_signs

_SHOWN = 8  # painted images of each class in the report
_SEEN = 32  # painted images of each class behind the figure of variety


@dataclass(frozen=True)
class RobGAN(Training):
    """A class-conditional GAN whose discriminator is the classifier, trained on attacked real and on painted images; in
    the last part of the training the classifier is fine-tuned alone, on attacked real images.

    The classifier calls an image real as far as its logits have mass: log(sum of exp(logits)) - log(classes).

    Paper: Liu and Hsieh, 2019, arXiv:1807.10454, sections 3 and 4.
    Differs: no second head: "real" is the mass of the logits (Salimans et al., 2016, arXiv:1606.03498, section 5), so
    that any classifier serves as it is; the losses are logarithmic, not hinges; no spectral normalisation. Two images
    painted of one class must differ as much as real ones do (after Mao et al., 2019, arXiv:1903.05628, who ask for as
    much as there can be); without that, a painter of a small discriminator paints one image for each class.
    Cost per case and epoch: with PGD of k steps `2 k + 8` forwards with the generator, `2 k + 3` without; the painter's
    passes are not metered.

    Args:
        attack: what moves the real images; None for an ordinary GAN.
        threat: what it may do.
        painting: share of the training in which the generator paints; the rest is fine-tuning.
        source: weight of telling real from painted.
        trust: weight of classifying painted images as the class they were painted for.
        variety: weight of what painted images of one class lack in difference.
        width: channels of the painter at full size.
        painter: its optimiser and learning rate; its batches are the classifier's.

    Raises:
        InvalidSpec: for a setting outside its range.
        InvalidCases: if a class has no case, so that nobody could paint it.
    """

    attack: InnerAttack[Any, Any, Any] | None = field()
    threat: ThreatModel | None = field()
    painting: float = 0.5
    source: float = 0.2
    trust: float = 0.2
    variety: float = 5.0
    width: int = 16
    painter: Schedule = Schedule(
        optimiser="adamw", peak=1e-3, shape="constant", warmup=0.02, momentum=0.5, weight_decay=0.0, clip=10.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.painting <= 1 or not self.source > 0 or min(self.trust, self.variety) < 0 or self.width < 1:
            raise InvalidSpec(
                "RobGAN needs painting in (0, 1], a positive source, trust and variety of 0 or more and a width of 1 or "
                f"more; got {self.painting}, {self.source}, {self.trust}, {self.variety} and {self.width}."
            )
        if (self.attack is None) != (self.threat is None):
            raise InvalidSpec("RobGAN needs an attack and its threat, or neither of them; got one alone.")

    def check(self, target: Target, data: Cases) -> None:
        super().check(target, data)
        check_images(data.inputs, self.name)
        classes = target.classes  # type: ignore[attr-defined]
        absent = sorted(set(range(classes)) - set(data.goals.labels.tolist()))
        if absent:
            raise InvalidCases(
                f"{self.name} paints every class, and class {absent[0]} has no case to learn from ({len(absent)} of "
                f"{classes} classes have none). Add cases of it, or lower the target's classes."
            )

    def perturb(self, batch: Batch) -> Tensor:
        if self.attack is None:
            return batch.inputs
        return self.attack.perturb(batch.student, batch.inputs, batch.goals, batch.threat, batch.stream)

    def lesson(self, student: Trainable, data: Cases, seed: Seed) -> Lesson:
        return Painting(self, student, data, seed)

    def signs(self, history: Sequence[dict[str, float]]) -> tuple[str, ...]:
        return painter_signs(history)


class Painting(Lesson):
    """A classifier and a painter at work on each other, and then the classifier alone."""

    how: RobGAN  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        first = self.held.inputs if len(self.held) else self.student.place(self.data[0:1]).inputs
        self.device = first.device
        shape = first.shape[1:]
        self.classes: int = self.student.classes  # type: ignore[attr-defined]
        self.painter: Painter = seeded(
            self.seed.child("painter"), lambda: Painter(shape, self.classes, self.how.width)
        ).to(self.device)
        self.player = Opponent(self.painter, self.how.painter, f"{self.how.name}'s painter")
        self.painted: Tensor | None = None
        self.paints = True
        self.apart = self._apart()

    def backward(self, step: Step) -> Counts:
        self.paints = step.done < self.how.painting
        return super().backward(step)

    def perturb(self, batch: Batch) -> Tensor:
        if self.paints:
            noise = batch.stream.normal((self.painter.noise,), at=1)
            self.painted = self.painter.train()(noise, batch.labels)
        return super().perturb(batch)

    def loss(self, batch: Batch, moved: Tensor) -> tuple[Tensor, Counts]:
        if not self.paints:
            return super().loss(batch, moved)
        assert self.painted is not None
        how, real = self.how, batch.answer(moved)
        made = batch.answer(self.painted.detach())
        told = functional.softplus(-mass(real)).mean() + functional.softplus(mass(made)).mean()
        loss = how.entropy(real, batch.labels) + how.source * told + how.trust * how.entropy(made, batch.labels)
        seen_as = "clean" if how.threat is None else "robust"
        return loss, {seen_as: (real.detach().argmax(1) == batch.labels).sum()}

    def after(self, batch: Batch, moved: Tensor, step: Step) -> None:
        """The painter learns to be taken for real, and for the class it was asked for."""
        if not self.paints:
            return
        assert self.painted is not None
        uphill = batch.student.gradient(self.painted.detach(), pleased(batch.labels)).gradient
        others = self.painter(batch.stream.normal((self.painter.noise,), at=2), batch.labels)
        share = (self.painted - others).abs().flatten(1).mean(1) / self.apart[batch.labels]
        missing = self.how.variety * functional.relu(1 - share).mean()
        torch.autograd.backward([self.painted, missing], [-uphill / len(uphill), None])
        self.player.step(step.done)
        self.painted = None

    def validate(self) -> dict[str, float]:
        figures = super().validate()
        if figures:
            figures["painter_variety"] = self._variety()
        return figures

    @torch.no_grad()
    def paint(self, labels: Tensor, seed: Seed) -> Tensor:
        """Images of these classes, shape (batch, channel, height, width), each from numbers of its own."""
        stream = seed.stream([f"painted-{number}" for number in range(len(labels))], self.device)
        noise = stream.normal((self.painter.noise,))
        return torch.cat([
            self.painter.eval()(*part) for part in zip(noise.split(256), labels.to(self.device).split(256), strict=True)
        ])  # fmt: skip

    def panels(self) -> tuple[Panel, ...]:
        labels = torch.arange(self.classes).repeat_interleave(_SHOWN)
        images = self.paint(labels, self.seed.child("shown"))
        return (Panel("painted by the generator, a row for each class", png=sheet(images, _SHOWN)),)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "painter": self.player.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.player.restore(state["painter"])

    def _variety(self) -> float:
        """How much painted images of one class differ from each other, as a share of how much real ones do."""
        labels = torch.arange(self.classes).repeat_interleave(_SEEN)
        painted = self.paint(labels, self.seed.child("variety")).reshape(self.classes, _SEEN, -1)
        return float(((painted[:, 1:] - painted[:, :-1]).abs().mean((1, 2)) / self.apart).mean())

    def _apart(self) -> Tensor:
        """Mean absolute difference between real images of each class, shape (class,); small where there is but one."""
        found = []
        for label in range(self.classes):
            rows = (self.train.goals.labels == label).nonzero().squeeze(1)[: 4 * _SEEN]
            images = self.student.place(self.train[rows]).inputs
            found.append((images[1:] - images[:-1]).abs().mean() if len(images) > 1 else images.new_tensor(0.0))
        return torch.stack(found).clamp_min(1e-3)


def mass(logits: Tensor) -> Tensor:
    """How real the classifier finds an image, shape (batch,): above zero where its logits have more mass than zeros."""
    return logits.logsumexp(1) - torch.tensor(float(logits.shape[1])).log()


def pleased(labels: Tensor) -> Callable[[Tensor], Tensor]:
    """What the painter climbs, shape (batch,): log of the chance to be taken for real and for its class."""
    return lambda logits: (
        -functional.softplus(-mass(logits)) - functional.cross_entropy(logits, labels, reduction="none")
    )
