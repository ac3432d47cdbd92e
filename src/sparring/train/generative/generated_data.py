"""Generated data: a painter learns the data first, and a training then learns from real and painted images together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidSpec
from sparring.core.fit import fit
from sparring.core.goal import Misclassify
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Target, Trainable
from sparring.core.training import Training
from sparring.core.validation import Validation
from sparring.train.generative.rob_gan import Painting, RobGAN
from sparring.train.rounds import joined


@dataclass(frozen=True)
class GeneratedData(Defence):
    """Trains on real and on painted images, in as many steps as the training alone would take on the real ones.

    A class-conditional GAN whose discriminator is a copy of the target paints a surplus of images; of each class, those
    are kept that the discriminator most surely takes for that class. The epochs of the training are cut so that it
    sees no more images than without.

    Paper: Gowal et al., 2021, arXiv:2110.09468, section 3; Rebuffi et al., 2021, arXiv:2103.01946.
    Differs: their generators are trained on far larger nets (diffusion models, VDVAE, BigGAN); images are chosen by the
    GAN's own discriminator. A painted image never serves in validation.
    Cost: the GAN, with `painting_epochs` passes at 8 forwards per case, and the training's own. The painter's passes
    are not metered.

    Args:
        training: the defence that learns from the images.
        share: of painted images among all, in (0, 1).
        surplus: painted for each image that is kept.
        painting_epochs: passes of the GAN over the real images.
        width: channels of the painter at full size.
        schedule: of the discriminator.

    Raises:
        InvalidSpec: for a setting outside its range.
        InvalidCases: if a class has no case, so that nobody could paint it.
    """

    training: Training = field()
    share: float = 0.5
    surplus: float = 2.0
    painting_epochs: int = 30
    width: int = 16
    schedule: Schedule = Schedule(batch=64)

    needs_target = Trainable

    def __post_init__(self) -> None:
        if not isinstance(self.training, Training):
            raise InvalidSpec(f"GeneratedData needs a training, such as AdversarialTraining; got {self.training!r}.")
        if not 0 < self.share < 1 or self.surplus < 1 or min(self.painting_epochs, self.width) < 1:
            raise InvalidSpec(
                "GeneratedData needs a share in (0, 1), a surplus, painting_epochs and width of 1 or more; "
                f"got {self.share}, {self.surplus}, {self.painting_epochs} and {self.width}."
            )

    @property
    def families(self) -> tuple[str, ...]:
        return self.training.families

    def refuse(self, target: Target, data: Cases) -> None:
        self.training.check(target, data)
        self._gan().check(target, data)

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | str | None = None,
        progress: Progress = Silent(),
    ) -> Target:
        """A trained copy; its lineage tells what the painter cost.

        Raises:
            Incompatible: if the target cannot learn, or the training does not fit.
            RunMismatch: if the workspace holds another training.
            Diverged: if a loss stops being finite.
        """
        seed, folder = Seed.of(seed), Path(workspace) if workspace is not None else None
        self.refuse(target, data)
        gan = self._gan()
        lesson = Painting(gan, target.copy(), data, seed.child("paint"))
        asked = gan._asked(target, data, lesson.seed) if folder else {}
        fitted = fit(
            lesson, epochs=gan.epochs, schedule=gan.schedule, seed=lesson.seed, folder=folder and folder / "painter",
            asked=asked, progress=progress, name=f"train {self.name}'s painter",
        )  # fmt: skip
        painted = self._painted(lesson, len(data))
        mixed = joined([replace(data, inputs=_tensor(data.inputs)), painted])
        scaled = replace(self.training, epochs=max(1, round(self.training.epochs * len(data) / len(mixed))))
        hardened = scaled.harden(
            target, mixed, seed=seed.child("train"), workspace=folder and folder / "training", progress=progress
        )
        last, spent = hardened.lineage[-1], lesson.student.meter.cost
        notes = (
            *gan.signs(fitted.history),
            f"{len(painted)} painted images beside {len(data)} real ones, in {scaled.epochs} epochs instead of "
            f"{self.training.epochs}; the painter took {fitted.seconds:.0f} s and {spent} forwards",
            *last.notes,
        )
        step = Hardening(
            self.name, self.families, last.seconds + fitted.seconds, last.forwards + spent, notes, last.history,
            lesson.panels(),
        )  # fmt: skip
        hardened.lineage = (*target.lineage, step)
        return hardened

    def _gan(self) -> RobGAN:
        return RobGAN(
            attack=None, threat=None, painting=1.0, source=1.0, trust=0.05, width=self.width,
            epochs=self.painting_epochs, schedule=self.schedule, validation=Validation(share=0.0),
        )  # fmt: skip

    def _painted(self, lesson: Painting, real: int) -> Cases:
        """So many painted images that they make up their share, equally many of each class, the likeliest first."""
        each = max(1, round(real * self.share / (1 - self.share) / lesson.classes))
        labels = torch.arange(lesson.classes, device=lesson.device).repeat_interleave(round(each * self.surplus))
        images = lesson.paint(labels, lesson.seed.child("data"))
        sure = torch.cat([lesson.student(block) for block in images.split(256)]).log_softmax(1)
        sure = sure.gather(1, labels[:, None]).reshape(lesson.classes, -1)
        size = sure.shape[1]
        chosen = (
            sure.topk(min(each, size), 1).indices + torch.arange(lesson.classes, device=sure.device)[:, None] * size
        )
        chosen = chosen.flatten()
        cases = Cases(_names(chosen), images[chosen].cpu(), Misclassify(labels[chosen].cpu()), "painted")
        return cases.split(self.training.validation.share)[0] if self.training.validation.share else cases


def _names(chosen: Tensor) -> Sequence[str]:
    return [f"painted-{number}" for number in chosen.tolist()]


def _tensor(inputs: Any) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else torch.as_tensor(inputs).float()
