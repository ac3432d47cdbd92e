"""Detection: a net beside a classifier that rejects what looks attacked, at a stated rate of false positives."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
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
from sparring.domains.image.guarded import Guarded
from sparring.domains.image.target import Classifier
from sparring.mitigate.attempts import attempts_on, families_of, prepared, refuse_attacks
from sparring.mitigate.watching import Shown, Spent, Watching, fewest, scores, threshold_of


@dataclass(frozen=True)
class Detector(Defence):
    """Learns to tell attempts from untouched images, and rejects what it takes for an attempt.

    The net is the discriminator of a generative adversarial net, learned once against attempts on the bare classifier.
    Some of the data is held back: half of it sets the threshold, on the other half false alarms, AUROC and the share of
    attempts rejected are counted, for the notes. Those figures speak of attackers who do not know of the detector: an
    attack on the target that comes back has it in its loss, and `Oblivious` runs the same attack without.

    Paper: Metzen et al., 2017, arXiv:1702.04267, section 3 (a binary net on attempts); Gong et al., 2017,
    arXiv:1704.04960, whose net sees images and not features, as here.
    Differs: the net learns from the attempts of several attacks and is not made robust to attacks on itself; it rejects
    at a rate of false positives that is asked for, and not where both kinds are equally likely.
    Cost: that of the attacks on each case, once. Passes of the net are not counted: `attacks + 1` per case and epoch to
    learn, and 1 per answer ever after. All attempts are held in memory, and a killed training makes them again.

    Args:
        threat: of the attempts.
        attacks: what it learns to see; those that learn are prepared first, on the same cases.
        false_positives: share of untouched images that may be rejected; a new one is with at most this chance.
        epochs: passes over the untouched images and the attempts on them.
        width: channels of the net's thinnest layer.
        share: of the data, held back by id.
        schedule: of the net.

    Raises:
        InvalidSpec: for a radius of zero, no attacks, attacks that change nothing, or a number outside its range.
        Incompatible: if the target is no Classifier, or an attack does not fit it or the threat.
        InvalidCases: if the cases are no images with labels, or too few to set the threshold.
        RunMismatch: if the workspace holds another training.
        Diverged: if the loss stops being finite.
    """

    threat: ThreatModel
    attacks: tuple[Attack[Any, Any, Any], ...] = (AdvGAN(), PGD(steps=10))
    false_positives: float = 0.01
    epochs: int = 20
    width: int = 16
    share: float = 0.3
    schedule: Schedule = Schedule(
        batch=128, optimiser="adamw", peak=5e-3, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=10.0
    )

    needs_target = Classifier

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", tuple(self.attacks))
        refuse_attacks("Detector", self.attacks, self.threat, "see in an image")
        if not 0 < self.false_positives < 1 or not 0 < self.share < 1:
            raise InvalidSpec(
                "Detector needs false_positives and a share above 0 and below 1; "
                f"got {self.false_positives} and {self.share}."
            )
        if self.epochs < 1 or self.width < 1:
            raise InvalidSpec(f"Detector needs epochs and width of 1 or more; got {self.epochs} and {self.width}.")

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
        learn, setting, proof = map(len, self._split(data))
        needed = fewest(self.false_positives)
        if learn == 0 or min(setting, proof) < max(needed, 1):
            raise InvalidCases(
                f"{self.name} needs {max(needed, 1)} untouched cases to set a threshold for "
                f"{self.false_positives:.2g} false positives, as many to check it, and others to learn from; a share of "
                f"{self.share} splits {len(data)} into {setting}, {proof} and {learn}. Pass more cases, or another share "
                "or rate."
            )

    def harden(
        self,
        target: Any,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | str | None = None,
        progress: Progress = Silent(),
    ) -> Guarded:
        """The classifier beside the detector, with a threshold that untouched images have set."""
        self.refuse_misfit(target)
        self.refuse_data(data)
        began, seed = time.monotonic(), Seed.of(seed)
        folder = None if workspace is None else Path(workspace)
        classifier = target.copy()
        learn, setting, proof = (self._placed(classifier, part) for part in self._split(data))
        ready = prepared(self.attacks, classifier, learn, self.threat, seed, folder)
        shown = Shown(learn.inputs, attempts_on(learn, ready, classifier, self.threat, seed))
        if not any(bool(moved.any()) for moved in shown.moved()):
            raise InvalidSpec(
                f"{self.name} learns from attempts that change images; those of "
                f"{', '.join(attack.label for attack in ready)} change none. Choose other attacks, such as PGD(steps=10)."
            )
        lesson = Watching(shown, self.width, seed, Spent(time.monotonic() - began, classifier.meter.cost))
        asked = {**to_spec(self), "seed": seed.value, "target": target.fingerprint(), "cases": fingerprint(data)}
        fitted = fit(
            lesson, epochs=self.epochs, schedule=self.schedule, seed=seed.child("fit"), folder=folder, asked=asked,
            progress=progress, name=f"train {self.name}",
        )  # fmt: skip
        guarded = Guarded(classifier, lesson.net.eval(), 0.0)
        guarded.threshold = threshold_of(scores(guarded, setting.inputs), self.false_positives)
        notes = (
            f"rejects above a score of {guarded.threshold:.3g}, which {len(setting)} untouched images set for "
            f"{self.false_positives:.2g} false positives",
            *Shown(proof.inputs, attempts_on(proof, ready, classifier, self.threat, seed)).notes(
                guarded, [attack.label for attack in ready]
            ),
        )
        spent = lesson.spent
        step = Hardening(
            self.name, self.families, spent.seconds + fitted.seconds, spent.forwards, notes, tuple(fitted.history)
        )  # fmt: skip
        guarded.lineage = (*target.lineage, step)
        guarded.meter.forwards = guarded.meter.input_backwards = guarded.meter.weight_backwards = 0
        return guarded

    def _split(self, data: Cases) -> tuple[Cases, Cases, Cases]:
        """Cases to learn from, to set the threshold, and to count on."""
        learn, held = data.split(self.share, "detector")
        return learn, *held.split(0.5, "detector threshold")

    def _placed(self, classifier: Classifier, cases: Cases) -> Cases:
        cases = classifier.place(cases)
        check_images(cases.inputs, self.name)
        classifier.check(cases)
        self.threat.check(cases)
        return cases
