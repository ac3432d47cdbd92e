"""A linear text classifier over hashed words and letters: no vocabulary to store, thousands of replies a second."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparring.core.errors import InvalidSpec
from sparring.core.judge import Datasheet
from sparring.domains.language.labelled import LabelledTexts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_STEPS = 127  # weights are stored as int8
_NOISE = re.compile(r"https?://\S+|@\w+|\brt\b|&#?\w+;")
_WINDOW = 200  # characters; a long reply is as bad as its worst window


@dataclass(frozen=True, eq=False)
class HashedClassifier:
    """Logistic regression on hashed one- and two-word phrases and two- to four-letter sequences within words.

    Args:
        weights: int8, shape (class, feature): whether a text is bad, then one row per kind among bad texts.
        scales: float32, shape (class,): what a weight of 1 stands for.
        intercepts: float32, shape (class,), the first one calibrated together with its scale.
        kinds: names of the rows after the first.
        threshold: on the probability.
        version: digest of data and settings.
        trained_on: source of the labels.
        datasheet: as measured by bench/judges.py.
    """

    weights: np.ndarray
    scales: np.ndarray
    intercepts: np.ndarray
    kinds: tuple[str, ...]
    threshold: float
    version: str
    trained_on: str
    datasheet: Datasheet | None = field(default=None)

    def scores(self, contexts: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """Probability that each text is bad, shape (batch,), at even odds before it is read. Contexts are not read."""
        if not len(texts):
            return np.zeros(0)
        windows = [_windows(text) for text in texts]
        logits = self._logits([window for some in windows for window in some], 0)
        starts = np.cumsum([0, *(len(some) for some in windows)][:-1])
        return _sigmoid(np.maximum.reduceat(logits, starts))

    def kinds_of(self, contexts: Sequence[str], texts: Sequence[str]) -> list[str]:
        """The likeliest kind of each text, supposing that it is bad."""
        if not len(texts) or not self.kinds:
            return [""] * len(texts)
        plain = [" ".join(_windows(text)) for text in texts]
        logits = np.stack([self._logits(plain, k + 1) for k in range(len(self.kinds))])
        return [self.kinds[k] for k in logits.argmax(0)]

    def _logits(self, texts: Sequence[str], row: int) -> np.ndarray:
        return features(texts, self.weights.shape[1]) @ (self.weights[row] * self.scales[row]) + self.intercepts[row]

    def save(self, path: Path) -> None:
        """Writes `path` (.npz, arrays alone) and a JSON file beside it; both appear whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez_compressed(partial, weights=self.weights, scales=self.scales, intercepts=self.intercepts)
        partial.replace(path)
        told = {
            "kinds": self.kinds,
            "threshold": self.threshold,
            "version": self.version,
            "trained_on": self.trained_on,
            "datasheet": None if self.datasheet is None else asdict(self.datasheet),
        }
        partial = path.with_suffix(".part.json")
        partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        partial.replace(path.with_suffix(".json"))

    @classmethod
    def load(cls, path: Path) -> "HashedClassifier":
        """Reads what `save` wrote.

        Raises:
            InvalidSpec: if the files are not such.
        """
        try:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            with np.load(path, allow_pickle=False) as arrays:
                weights, scales, intercepts = arrays["weights"], arrays["scales"], arrays["intercepts"]
            sheet = None if told["datasheet"] is None else Datasheet(**told["datasheet"])
            kinds = tuple(told["kinds"])
            return cls(
                weights, scales, intercepts, kinds, told["threshold"], told["version"], told["trained_on"], sheet
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidSpec(
                f"{path} holds no classifier ({error}). Delete it and its .json to make it anew."
            ) from error


def train(
    labels: LabelledTexts, *, kinds: Sequence[str] = (), cost: float = 4.0, bits: int = 17, specificity: float = 0.98
) -> HashedClassifier:
    """Fits the weights on all labels; scale, intercept and threshold on scores of five folds left out. Deterministic.

    Args:
        kinds: labels of bad texts to tell apart.
        cost: inverse strength of the L2 penalty.
        bits: log2 of the number of features.
        specificity: share of good texts below the threshold. Most replies are good, so a low one would fill what is
            called bad with good ones.

    Raises:
        InvalidSpec: if there are fewer than ten good or ten bad texts.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    bad, own = np.array(labels.bad), np.array(labels.kinds)
    if min(bad.sum(), (~bad).sum()) < 10:
        raise InvalidSpec(
            f"a classifier needs ten good and ten bad texts; {labels.source} has {(~bad).sum()} and {bad.sum()}."
        )
    found = features([plain(text) for text in labels.texts], 2**bits)
    model = LogisticRegression(C=cost, max_iter=500, class_weight="balanced")
    left_out = cross_val_predict(model, found, bad, cv=StratifiedKFold(5), method="decision_function")
    # Platt's scaling, at even odds.
    platt = LogisticRegression(C=1e4, class_weight="balanced").fit(left_out[:, None], bad)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    threshold = threshold_at(_sigmoid(left_out * slope + offset), bad, specificity)
    rows = [(np.arange(len(bad)), bad), *((np.flatnonzero(bad), own[bad] == kind) for kind in kinds)]
    packed, scales, intercepts = [], [], []
    for row, (index, wanted) in enumerate(rows):
        model.fit(found[index], wanted)
        weights, intercept = model.coef_[0], float(model.intercept_[0])
        if row == 0:
            weights, intercept = weights * slope, intercept * slope + offset
        scales.append(np.abs(weights).max() / _STEPS)
        packed.append(np.rint(weights / scales[-1]).astype(np.int8))
        intercepts.append(intercept)
    return HashedClassifier(
        np.stack(packed),
        np.array(scales, dtype=np.float32),
        np.array(intercepts, dtype=np.float32),
        tuple(kinds),
        threshold,
        f"hashed-1 {labels.digest()} C={cost:g} 2^{bits} at {specificity:g}",
        labels.source,
    )


def threshold_at(scores: np.ndarray, bad: np.ndarray, specificity: float) -> float:
    """The lowest that leaves this share of the good texts below it."""
    good = np.sort(scores[~bad])
    place = min(int(np.ceil(specificity * len(good))), len(good) - 1)
    return float(np.nextafter(good[place - 1], 1.0) if place else good[0])


def features(texts: Sequence[str], size: int) -> "csr_matrix":
    """Hashed counts, log-scaled, each half of unit length: float64, shape (batch, size)."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.preprocessing import normalize

    halves = []
    for counter in _counters(size // 2):
        counts = counter.transform(texts)
        counts.data = 1 + np.log(counts.data)
        halves.append(normalize(counts))
    return csr_matrix(hstack(halves))


@lru_cache
def _counters(size: int) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    same: dict[str, Any] = {"n_features": size, "alternate_sign": False, "norm": None, "lowercase": False}
    return (
        HashingVectorizer(ngram_range=(1, 2), token_pattern=r"[a-z']+|[^\w\s]", **same),
        HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), **same),
    )


def plain(text: str) -> str:
    """Lower case, compatibility forms, no addresses, names of accounts or runs of space."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return " ".join(_NOISE.sub(" ", text).split())


def _windows(text: str) -> list[str]:
    """The normalised text in pieces of whole words, one or more."""
    text = plain(text)
    pieces = []
    while len(text) > _WINDOW:
        cut = text.rfind(" ", 0, _WINDOW)
        cut = cut if cut > 0 else _WINDOW
        pieces.append(text[:cut])
        text = text[cut:].lstrip()
    return [*pieces, text] if text or not pieces else pieces


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
