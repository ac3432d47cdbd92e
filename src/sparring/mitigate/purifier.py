"""Purification: a net that gives back an attacked image without the attack, in front of a classifier."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.fit import fit
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import to_spec
from sparring.core.target import Hardening, Target
from sparring.core.threat import ThreatModel
from sparring.core.training import fingerprint
from sparring.domains.image.generators import check_images
from sparring.domains.image.purified import Purified
from sparring.domains.image.target import Classifier
from sparring.mitigate.attempts import attempts_on, families_of, prepared, refuse_attacks
from sparring.mitigate.cleaning import Cleaning, Pairs


@dataclass(frozen=True)
class Purifier(Defence):
    """Learns to take attacks out of images, and puts what it learned in front of a classifier that stays as it is.

    The attempts that it learns from are made against the bare classifier, once. With `levels`, the image is rounded
    before it is classified; that hides the gradient, and makes the target look robust to every attack that follows it.
    Measure with BPDA as well, which goes around the rounding.

    Paper: Shen et al., 2017, arXiv:1707.05474 (APE-GAN), section 3; its loss is a mean squared error and a
    discriminator's.
    Differs: untouched images are learned from beside attacked ones; the squared error is told as a share of what the
    attempts changed, so that one `adversarial` serves every radius; the net adds a correction to the image, and has no
    batch statistics; the rounding is no part of the paper.
    Cost: that of the attacks on each case, once. Passes of the net are not counted: `attacks + 1` per case and epoch to
    learn, and 1 per answer ever after. All attempts are held in memory.

    Args:
        threat: of the attempts.
        attacks: what it learns to take out; those that learn are prepared first, on the same cases.
        epochs: passes over the attempts and the untouched images.
        width: channels of the net's thinnest layer, and of the discriminator's.
        adversarial: weight of a discriminator that tells purified from untouched images; 0 for none.
        levels: grey levels that the purified image is rounded to; None for no rounding.
        share: of the data, held back by id, on which the best epoch is chosen and the notes are counted.
        schedule: of the net, and of the discriminator at half the rate.

    Raises:
        InvalidSpec: for a radius of zero, no attacks, or a number outside its range.
        Incompatible: if the target is no Classifier, or an attack does not fit it or the threat.
        InvalidCases: if the cases are no images in [0, 1] with labels, or too few.
        RunMismatch: if the workspace holds another training.
        Diverged: if a loss stops being finite.
    """

    threat: ThreatModel
    attacks: tuple[Attack[Any, Any, Any], ...] = (FGSM(), PGD(steps=10))
    epochs: int = 20
    width: int = 8
    adversarial: float = 0.1
    levels: int | None = 256
    share: float = 0.1
    schedule: Schedule = Schedule(
        batch=128, optimiser="adamw", peak=5e-3, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=10.0
    )

    needs_target = Classifier

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", tuple(self.attacks))
        refuse_attacks("Purifier", self.attacks, self.threat, "take out of an image")
        if self.epochs < 1 or self.width < 1 or not self.adversarial >= 0:
            raise InvalidSpec(
                "Purifier needs epochs and width of 1 or more and an adversarial weight of 0 or more; "
                f"got {self.epochs}, {self.width} and {self.adversarial}."
            )
        if self.levels is not None and self.levels < 2:
            raise InvalidSpec(f"Purifier needs levels of 2 or more, or None for no rounding; got {self.levels}.")
        if not 0 < self.share < 1:
            raise InvalidSpec(f"Purifier needs a share above 0 and below 1 to hold back; got {self.share}.")

    @property
    def families(self) -> tuple[str, ...]:
        return families_of(self.attacks)

    def refuse_misfit(self, target: Target) -> None:
        super().refuse_misfit(target)
        for attack in self.attacks:
            attack.check(target, self.threat)

    def refuse_data(self, data: Cases) -> None:
        if not isinstance(getattr(data.goals, "labels", None), Tensor):
            raise InvalidCases(
                f"{self.name} needs cases with labels; got goals of {type(data.goals).__name__}. "
                "Use arrays(inputs, labels)."
            )
        learn, held = (len(part) for part in data.split(self.share))
        if min(learn, held) == 0:
            raise InvalidCases(
                f"{self.name} needs cases to learn from and others to hold back; a share of {self.share} splits "
                f"{len(data)} into {learn} and {held}. Pass more cases or another share."
            )

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | str | None = None,
        progress: Progress = Silent(),
    ) -> Purified:
        """The classifier behind what was learned, at the epoch with the smallest error on what was held back."""
        self.refuse_misfit(target)
        self.refuse_data(data)
        began, seed = time.monotonic(), Seed.of(seed)
        folder = None if workspace is None else Path(workspace)
        classifier = target.copy()
        learn, held = (self._placed(classifier, part) for part in data.split(self.share))
        ready = prepared(self.attacks, classifier, learn, self.threat, seed, folder)
        pairs = Pairs(learn, attempts_on(learn, ready, classifier, self.threat, seed))
        if pairs.distance(pairs.attempts) == 0:
            raise InvalidSpec(
                f"{self.name} learns from attempts that change images; those of "
                f"{', '.join(attack.label for attack in ready)} change none. Choose other attacks, such as PGD(steps=10)."
            )
        forwards = classifier.meter.cost
        kept = Pairs(held, attempts_on(held, ready, classifier, self.threat, seed))
        making = time.monotonic() - began
        lesson = Cleaning(pairs, kept, self.width, self.adversarial, self.schedule, seed)
        asked = {**to_spec(self), "seed": seed.value, "target": target.fingerprint(), "cases": fingerprint(data)}
        fitted = fit(
            lesson, epochs=self.epochs, schedule=self.schedule, seed=seed.child("fit"), folder=folder, asked=asked,
            progress=progress, name=f"train {self.name}",
        )  # fmt: skip
        purified = Purified(lesson.net.eval(), classifier, self.levels)
        notes = (*kept.notes(purified), f"kept epoch {fitted.best + 1} of {len(fitted.history)}")
        seconds = making + fitted.seconds
        step = Hardening(self.name, self.families, seconds, forwards, notes, tuple(fitted.history))
        purified.lineage = (*target.lineage, step)
        purified.meter.forwards = purified.meter.input_backwards = purified.meter.weight_backwards = 0
        return purified

    def _placed(self, classifier: Classifier, cases: Cases) -> Cases:
        cases = classifier.place(cases)
        check_images(cases.inputs, self.name)
        classifier.check(cases)
        self.threat.check(cases)
        outside = ((cases.inputs < 0) | (cases.inputs > 1)).flatten(1).any(1)
        if bool(outside.any()):
            bad = int(outside.nonzero()[0])
            raise InvalidCases(
                f"{self.name} needs images in [0, 1]; case {cases.ids[bad]} spans [{float(cases.inputs[bad].min()):g}, "
                f"{float(cases.inputs[bad].max()):g}]. Scale the data, and put the normalisation into the Classifier."
            )
        return cases
