"""Injection detector: a classifier of words that takes texts which look like injections out of the conversation."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparring.attack.prompt.template_table import families as known_families
from sparring.attack.prompt.template_table import rows
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Meter
from sparring.domains.language.aim import Aim
from sparring.domains.language.benign import benign_training, plain_text
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.hashed import HashedClassifier, train
from sparring.domains.language.labelled import LabelledTexts
from sparring.domains.language.target import Chat
from sparring.mitigate.injected import Injected, injected
from sparring.mitigate.screened import (
    ROLES,
    Screened,
    check_enough,
    check_screen,
    conformal,
    disturbed,
    readable,
    scored,
)
from sparring.mitigate.wrapping import Wrapping

_SOURCE = "templates filled in for the data"
_BITS = 16  # log2 of the features
_BENIGN = 200  # conversations of each harm
_LEAST = 1e-15  # probability, so that log-odds are finite


@dataclass(frozen=True)
class InjectionDetector(Wrapping):
    """Learns to tell the templates of some families from the data's own texts, and takes out what it flags.

    The data are conversations as nobody attacked them; the templates are filled in for their aims here. One part of the
    data is learned from, one sets the threshold, and on the last the notes count false alarms, and what is flagged of
    the families that were learned and of all others. Those figures speak of attackers who do not know of the detector:
    one who does asks `scores`.

    Paper: Liu et al., 2024, arXiv:2310.12815 (detection-based defenses); Jacob et al., 2024, arXiv:2501.15145
    (PromptShield), who fix the rate of false positives first, as is done here.
    Differs: logistic regression on hashed words and letters, and no language model; the threshold is the split
    conformal quantile of benign conversations, each counting with its most suspicious window of 200 characters, or even
    odds where that is higher, so that data which are all alike do not make everything else suspicious. The
    perplexity of a text is another filter (`PerplexityFilter`), which stacks with this one.
    Cost: milliseconds per conversation, no queries; some seconds on a processor to learn.
    Loses to: wordings unlike those it learned, whole families of them (the notes say which), paraphrase by a model, other
    languages, and a plain request with nothing about it that a benign one would not have. The promise about false
    positives is for conversations like the data. Whatever else is unlike the data looks suspicious too: plain prose, of
    which the notes count paragraphs, and orders that nobody gives in the data, such as a user's own `send a mail to`.
    Name what must pass as `benign`: without it, such errands are lost; with it, plain injections pass more often.

    Args:
        families: of templates that it learns (see `attack.prompt.template_table`); they are no longer held out.
        false_positives: share of benign conversations that may be disturbed; a new one is with at most this chance.
        share: of the data, held back by id: half of it sets the threshold, half is counted on.
        roles: whose texts are screened, `user`, `tool` or both.
        harms: whose benign conversations (`Harm.benign`) must pass; they are learned beside the data's own.
        benign: further texts that must pass.

    Raises:
        InvalidSpec: for settings that mean nothing, or a family that has no template.
        Incompatible: for a target that does not chat.
        InvalidCases: for data without aims, or too few.
    """

    families: tuple[str, ...] = ("ignore-previous", "fake-turn", "role-play", "encoding")  # type: ignore[assignment]
    false_positives: float = 0.05
    share: float = 0.5
    roles: tuple[str, ...] = ROLES
    harms: tuple[Any, ...] = ()
    benign: tuple[str, ...] = ()

    learns = True
    searches = True

    def __post_init__(self) -> None:
        for name in ("families", "roles", "harms", "benign"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_screen("InjectionDetector", self.false_positives, self.share, self.roles)
        if not self.families:
            raise InvalidSpec(
                f"InjectionDetector learns families of templates, among {', '.join(known_families())}; got none."
            )
        for family in self.families:
            rows(family)

    def refuse_data(self, data: Cases) -> None:
        strange = next((type(goal).__name__ for goal in data.goals if not isinstance(goal, Aim)), None)
        if strange is not None:
            raise InvalidCases(
                f"{self.name} fills templates in for aims (Aim), such as those of SupportDesk().cases(n); got {strange}."
            )
        Injection().check(data)
        learn, setting, proof = (readable(part, self.roles) for part in self._parts(data))
        check_enough(self.name, self.false_positives, {"set it": setting, "learn from": learn, "count on": proof})

    def wrap(self, target: Chat, data: Cases, seed: Seed) -> Screened:
        began = time.monotonic()
        learn, setting, proof = self._parts(data)
        wording = Wording(train(self._labels(learn, seed), bits=_BITS))
        read = scored(readable(setting, self.roles), self.roles, wording.scores)
        own = conformal(read, self.false_positives)
        threshold = max(own, 0.0)
        first = (
            f"texts with log-odds above {threshold:.2f} are taken out; for {self.false_positives:.2g} false positives "
            f"{len(read)} benign conversations ask for {own:.2f} or more"
        )
        notes = (first, *self._counted(wording, threshold, proof, seed))
        step = Hardening(self.name, self.families, time.monotonic() - began, 0, notes)
        return Screened(target, wording, threshold, self.roles, step)

    def _parts(self, data: Cases) -> tuple[Cases, Cases, Cases]:
        """Cases to learn from, to set the threshold, and to count on."""
        learn, held = data.split(self.share, "injection detector")
        return learn, *held.split(0.5, "injection detector threshold")

    def _labels(self, cases: Cases, seed: Seed) -> LabelledTexts:
        """Untouched texts, plain questions and what was injected, alone and where it stands."""
        benign = [one for harm in self.harms for one in harm.benign(_BENIGN)]
        asked = (*readable(cases, self.roles), *benign)
        own = [message.text for one in asked for message in one if message.role in self.roles]
        bad = {
            text: one.family for one in self._injected(cases, self.families, seed) for text in (one.payload, one.text)
        }
        fine = {text: "" for text in (*own, *self.benign, *benign_training()) if text not in bad}
        kinds = {**fine, **bad}
        ids = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest() for text in kinds]
        return LabelledTexts(
            ids, [""] * len(kinds), list(kinds), [bool(kind) for kind in kinds.values()], list(kinds.values()), _SOURCE
        )

    def _counted(self, wording: "Wording", threshold: float, proof: Cases, seed: Seed) -> tuple[str, ...]:
        """What is flagged of conversations that nothing was learned from, in sentences for the report."""
        benign = scored(readable(proof, self.roles), self.roles, wording.scores)
        prose = wording.scores(plain_text())
        told = [
            f"{disturbed(benign, threshold)} of {len(benign)} other benign conversations are disturbed, and of plain prose, "
            f"which is none of the data, {sum(score > threshold for score in prose)} of {len(prose)} paragraphs"
        ]
        others = [family for family in known_families() if family not in self.families]
        for what, families in (("learned", self.families), ("never seen", others)):
            tried = self._injected(proof, families, seed.child("proof"))
            found = wording.scores([one.text for one in tried])
            if not tried:
                continue
            area = _auroc([max(one.values()) for one in benign], found)
            counts = ", ".join(
                f"{family} {sum(score > threshold for score in own)} of {len(own)}"
                for family in families
                if (own := [score for one, score in zip(tried, found, strict=True) if one.family == family])
            )
            told.append(f"families {what}: AUROC {area:.3f}, flagged {counts}; oblivious attackers all")
        return tuple(told)

    def _injected(self, cases: Cases, families: Sequence[str], seed: Seed) -> list[Injected]:
        """Those whose message is screened."""
        made = injected(cases, families, seed)
        return [one for one in made if one.asked.messages[one.aim.place].role in self.roles]


@dataclass(frozen=True, eq=False)
class Wording:
    """The log-odds, at even odds before it is read, that the most suspicious 200 characters of each text were injected.

    Args:
        classifier: of texts.
    """

    classifier: HashedClassifier
    meter: Meter = field(default_factory=Meter)

    def scores(self, texts: Sequence[str]) -> list[float]:
        found = np.clip(self.classifier.scores([""] * len(texts), texts), _LEAST, 1 - _LEAST)
        return [round(float(one), 6) for one in np.log(found) - np.log1p(-found)]

    def fingerprint(self) -> str:
        return self.classifier.version


def _auroc(benign: Sequence[float], injected: Sequence[float]) -> float:
    """The chance that an injected text scores above a benign conversation, ties counting half."""
    below, above = np.array(benign)[:, None], np.array(injected)[None]
    return float((above > below).mean() + 0.5 * (above == below).mean())
