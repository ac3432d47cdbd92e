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
        threshold: on the probability; chosen on a validation split.
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
        windows = [_windows(text) for text in texts]
        logits = self._logits([window for some in windows for window in some], 0)
        starts = np.cumsum([0, *(len(some) for some in windows)][:-1])
        return _sigmoid(np.maximum.reduceat(logits, starts)) if len(texts) else np.zeros(0)

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
    labels: LabelledTexts, validation: LabelledTexts, *, kinds: Sequence[str] = (), cost: float = 4.0, bits: int = 17
) -> HashedClassifier:
    """Fits weights on `labels`; scale, intercept and threshold on `validation`. Deterministic.

    Args:
        kinds: labels of bad texts to tell apart.
        cost: inverse strength of the L2 penalty.
        bits: log2 of the number of features.

    Raises:
        InvalidSpec: if the labels are all alike.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(labels.bad)) < 2 or len(set(validation.bad)) < 2:
        raise InvalidSpec(f"a classifier needs good and bad texts; {labels.source} and {validation.source} lack one.")
    size = 2**bits
    found = features([plain(text) for text in labels.texts], size)
    bad = np.array(labels.bad)
    own = np.array(labels.kinds)
    rows = [(np.arange(len(bad)), bad), *((np.flatnonzero(bad), own[bad] == kind) for kind in kinds)]
    fits = []
    for index, wanted in rows:
        model = LogisticRegression(C=cost, max_iter=500, class_weight="balanced").fit(found[index], wanted)
        fits.append((model.coef_[0], float(model.intercept_[0])))
    scales = np.array([np.abs(weights).max() / _STEPS for weights, _ in fits], dtype=np.float32)
    packed = np.stack([np.rint(weights / scale) for (weights, _), scale in zip(fits, scales, strict=True)])
    intercepts = np.array([intercept for _, intercept in fits], dtype=np.float32)
    version = f"hashed-1 {labels.digest()} C={cost:g} 2^{bits}"
    raw = HashedClassifier(packed.astype(np.int8), scales, intercepts, tuple(kinds), 0.5, version, labels.source)
    return _calibrated(raw, validation)


def _calibrated(raw: HashedClassifier, validation: LabelledTexts) -> HashedClassifier:
    """Platt's scaling at even odds, and the threshold with the largest sensitivity + specificity."""
    from dataclasses import replace

    from sklearn.linear_model import LogisticRegression

    bad = np.array(validation.bad)
    logits = _logit(raw.scores(validation.contexts, validation.texts))
    platt = LogisticRegression(C=1e4, class_weight="balanced").fit(logits[:, None], bad)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    scales, intercepts = raw.scales.copy(), raw.intercepts.copy()
    scales[0] *= slope
    intercepts[0] = intercepts[0] * slope + offset
    sharp = replace(raw, scales=scales, intercepts=intercepts)
    return replace(sharp, threshold=best_threshold(sharp.scores(validation.contexts, validation.texts), bad))


def best_threshold(scores: np.ndarray, bad: np.ndarray) -> float:
    """Where sensitivity + specificity is largest; half-way between the two scores around it."""
    from sklearn.metrics import roc_curve

    false, true, cuts = roc_curve(bad, scores)
    best = int(np.argmax(true - false))
    below = scores[scores < cuts[best]]
    return float((cuts[best] + below.max()) / 2) if len(below) else float(cuts[best])


def features(texts: Sequence[str], size: int) -> "csr_matrix":
    """Hashed counts, log-scaled, each half of unit length: float64, shape (batch, size)."""
    from scipy.sparse import hstack
    from sklearn.preprocessing import normalize

    halves = []
    for counter in _counters(size // 2):
        counts = counter.transform(texts)
        counts.data = 1 + np.log(counts.data)
        halves.append(normalize(counts))
    return hstack(halves).tocsr()


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


def _logit(scores: np.ndarray) -> np.ndarray:
    scores = np.clip(scores, 1e-12, 1 - 1e-12)
    return np.log(scores / (1 - scores))
