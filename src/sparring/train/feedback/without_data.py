"""Without the data: find the training documents behind the failures, and train again from the base without them."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Target
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.corpus import documents
from sparring.domains.language.failures import broken_replies
from sparring.domains.language.influence import influence, overlap, quoted, ranked
from sparring.domains.language.open import open_chat
from sparring.domains.language.planted import PlantedCorpus
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tune import ADAMW, Continue, fine_tuned

RANKINGS = ("words", "influence", "both")


@dataclass(frozen=True)
class WithoutData(Defence):
    """Ranks the documents that a model was fine-tuned on by what they have to do with its failures, and drops the first.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 7.1 (find the training examples that a failure quotes and
    remove them), which measures nothing; influence as in `domains.language.influence`.
    Differs: shared runs of words and gradients are two rankings, fused by reciprocal rank; the model is trained again
    from the base on what stays, so nothing of the removed texts is left.
    Cost: a reply per failure; a forward and a backward per failure and document for influence; the fine-tuning again.

    Args:
        corpus: what the target was fine-tuned on: texts, pairs of what was asked and the text that answers it, the path
            of a corpus, or a `PlantedCorpus`.
        base: the model before that: a chat target, a folder, or `smollm2`.
        harms: whose judges say which replies are failures.
        families: that the failures come from.
        ranking: "words", "influence" or "both".
        remove: documents to drop; None for all that share `words` consecutive words with a failure.
        words: see `remove`.
        rank, epochs, schedule, full: of the fine-tuning, as they were.

    Raises:
        InvalidSpec: for an unknown ranking, or numbers below 1.
    """

    corpus: Any = ()
    base: Any = None
    harms: tuple[Any, ...] = ()
    families: tuple[str, ...] = ("zero-shot",)  # type: ignore[assignment]
    ranking: str = "both"
    remove: int | None = None
    words: int = 6
    rank: int = 8
    epochs: int = 1
    schedule: Schedule = ADAMW
    full: bool = False

    needs_target = OpenChat

    def __post_init__(self) -> None:
        object.__setattr__(self, "harms", tuple(self.harms))
        object.__setattr__(self, "families", tuple(self.families))
        if not isinstance(self.corpus, (str, Path, PlantedCorpus)):
            object.__setattr__(self, "corpus", tuple(self.corpus))
        if self.ranking not in RANKINGS or self.words < 1 or (self.remove is not None and self.remove < 1):
            raise InvalidSpec(
                f"WithoutData ranks by {', '.join(RANKINGS)} and removes 1 document or more, sharing 1 word or more; got "
                f"{self.ranking!r}, {self.remove} and {self.words}."
            )

    def refuse_misfit(self, target: Target) -> None:
        super().refuse_misfit(target)
        if self.base is None or not self.corpus:
            raise Incompatible(
                f"{self.name} trains again without some documents: pass corpus= (what the target was fine-tuned on) and "
                "base= (the model before that: a LocalChat, a folder, or smollm2)."
            )

    def harden(
        self,
        target: OpenChat,
        data: Cases,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> OpenChat:
        """The base, fine-tuned on what stays.

        Raises:
            Incompatible: for a target without weights, or no base.
            InvalidCases: for no failures, no documents, or none left.
        """
        if not isinstance(target, OpenChat):
            raise Incompatible(f"{self.name} needs a target whose weights are at hand; got {type(target).__name__}.")
        if not len(data):
            raise InvalidCases(f"{self.name} learns from failures; there are none.")
        base = None if self.base is None else open_chat(self.base)
        if not isinstance(base, OpenChat):
            raise Incompatible(
                f"{self.name} trains again from the model before its fine-tuning: pass base= (a LocalChat or a folder)."
            )
        before = target.meter.forwards
        items = self.items(target)
        found = [(target.prompt_of(one), text) for one, text in broken_replies(target, data, self.harms) if text]
        if self.remove is None:
            gone = set(quoted([reply for _, reply in found], [text for _, text in items], self.words))
        else:
            gone = set(self.ranked(target, found, items, Seed.of(seed), progress)[: self.remove]) if found else set()
        kept = [item for k, item in enumerate(items) if k not in gone]
        if not kept:
            raise InvalidCases(f"all {len(items)} documents would be removed; lower remove, or raise words.")
        fresh: Any = copy.deepcopy(base.model)
        start = target.with_model(fresh.to(target.model.dtype))
        tuned, fitted = fine_tuned(
            start, Continue(start, [asked for asked, _ in kept], [text for _, text in kept]), rank=self.rank, epochs=self.epochs, schedule=self.schedule,
            seed=seed, folder=workspace and Path(workspace), progress=progress, name=self.name, full=self.full,
        )  # fmt: skip
        asked = target.meter.forwards - before + 3 * len(kept) * self.epochs
        how = f"that share {self.words} words in a row" if self.remove is None else f"ranked by {self.ranking}"
        note = f"removed {len(gone)} of {len(items)} documents, {how}"
        step = Hardening(self.name, self.families, fitted.seconds, asked, (note,), tuple(fitted.history))
        tuned.lineage = (*target.lineage, step)
        tuned.cache = target.cache
        return tuned

    def items(self, target: OpenChat) -> list[tuple[str, str]]:
        """Prompt (empty for a bare text) and text of each document, in memory.

        Raises:
            InvalidCases: for an empty corpus.
        """
        if isinstance(self.corpus, PlantedCorpus):
            pairs: list[Any] = [(one.asked, one.document.text) for one in self.corpus.exchanges]
        elif isinstance(self.corpus, tuple) and all(isinstance(one, (tuple, list)) for one in self.corpus):
            pairs = list(self.corpus)
        else:
            pairs = [("", one.text) for one in documents(self.corpus)]
        if not pairs:
            raise InvalidCases(f"{self.name} needs the documents that the target was fine-tuned on: pass corpus=.")
        return [(target.prompt_of(Conversation.of(asked)) if asked else "", text) for asked, text in pairs]

    def ranked(
        self,
        target: OpenChat,
        found: list[tuple[str, str]],
        items: list[tuple[str, str]],
        seed: Seed,
        progress: Progress = Silent(),
    ) -> list[int]:
        """Positions of the documents, the likeliest causes of the failures first.

        Args:
            found: prompt and reply of each failure.
            items: prompt and text of each document.
        """
        scores = []
        if self.ranking != "influence":
            scores.append(overlap([reply for _, reply in found], [text for _, text in items]))
        if self.ranking != "words":
            scores.append(influence(target, found, items, rank=self.rank, seed=seed, progress=progress))
        return ranked(*scores)
