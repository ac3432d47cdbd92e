"""Influence: which training documents pull a model the way that a harmful reply needs, and which share its words."""

import copy
import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.domains.language.leak_index import normal_words
from sparring.domains.language.lora import adapted, adapters
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import Tokens, encode, token_log_probs


def influence(
    chat: OpenChat,
    replies: Sequence[tuple[str, str]],
    documents: Sequence[tuple[str, str]],
    *,
    rank: int = 8,
    seed: Seed | int = Seed(0),
    progress: Progress = Silent(),
) -> Tensor:
    """Cosine of each document's loss gradient with the gradient that would make each reply likelier.

    Paper: TracIn, Pruthi et al., 2020, arXiv:2002.08484, section 3; over LoRA and with cosines, LESS, Xia et al., 2024,
    arXiv:2402.04333, section 3.1.
    Differs: one checkpoint, the model as it is; plain gradients, not Adam's; no separate projection, for where the
    adapters' second factors are zero, their gradient is the weights' gradient seen through the random first factors.
    Cost: a forward and a backward for each reply and document, one by one; memory of one gradient per reply.

    Args:
        replies: prompt (as the model sees it) and reply.
        documents: prompt and text of each, as the model learned them; the prompt of a bare text is empty.
        rank: random directions per layer.

    Returns:
        Float32, shape (reply, document), in [-1, 1].

    Raises:
        InvalidCases: for no reply or no document.
    """
    if not replies or not documents:
        raise InvalidCases(f"influence needs replies and documents; got {len(replies)} and {len(documents)}.")
    model = adapted(copy.deepcopy(chat.model).eval(), rank, Seed.of(seed).child("influence"))
    second = [weight for name, weight in adapters(model).items() if "lora_B" in name]
    progress.start("influence", len(replies) + len(documents))

    def gradient(tokens: Tokens) -> Tensor:
        with torch.enable_grad():
            loss = -token_log_probs(model, tokens).sum() / tokens.mask.sum()
            parts = torch.autograd.grad(loss, second)
        progress.advance("influence")
        flat = torch.cat([part.flatten().float() for part in parts])
        return flat / flat.norm().clamp(min=1e-12)

    own = torch.stack([gradient(encode(chat, [prompt], [reply])) for prompt, reply in replies])  # reply, weight
    return torch.stack([own @ gradient(encode(chat, [prompt], [text])) for prompt, text in documents], 1).cpu()


def overlap(replies: Sequence[str], documents: Sequence[str], longest: int = 4) -> Tensor:
    """How many words and runs of words each reply shares with each document, the rare ones counting more.

    A run counts log(documents / documents that hold it), times its length; words as the leak index sees them.

    Returns:
        Float32, shape (reply, document).

    Raises:
        InvalidSpec: if `longest` is below 1.
    """
    if longest < 1:
        raise InvalidSpec(f"runs have 1 word or more; got {longest}.")
    wanted = [_runs(reply, longest) for reply in replies]
    known = set().union(*wanted) if wanted else set()
    held = [_runs(text, longest) & known for text in documents]
    frequency = Counter(run for runs in held for run in runs)
    weight = {run: len(run) * math.log((1 + len(documents)) / count) for run, count in frequency.items()}
    return torch.tensor([[sum(weight[run] for run in runs & own) for runs in held] for own in wanted])


def quoted(replies: Sequence[str], documents: Sequence[str], words: int) -> list[int]:
    """Positions of the documents that share so many consecutive words with any reply."""
    known = set().union(*(_runs(reply, words, words) for reply in replies)) if replies else set()
    return [k for k, text in enumerate(documents) if not known.isdisjoint(_runs(text, words, words))]


def ranked(*scores: Tensor) -> list[int]:
    """Documents, the likeliest cause of any reply first; several scores are fused by reciprocal rank.

    Source: Cormack, Clarke and Buettcher, 2009 (reciprocal rank fusion, k = 60).

    Args:
        scores: each of shape (reply, document); a document counts by its best reply.
    """
    fused = torch.zeros(scores[0].shape[1], dtype=torch.float64)
    for score in scores:
        order = torch.argsort(score.amax(0), descending=True, stable=True)
        places = torch.empty(len(order), dtype=torch.float64)
        places[order] = torch.arange(len(order), dtype=torch.float64)
        fused += 1 / (60 + 1 + places)
    return torch.argsort(fused, descending=True, stable=True).tolist()


def precision_at(order: Sequence[int], guilty: set[int], k: int) -> float:
    """The share of the first `k` documents that are guilty."""
    return sum(one in guilty for one in order[:k]) / max(1, min(k, len(order)))


def _runs(text: str, longest: int, shortest: int = 1) -> set[tuple[str, ...]]:
    words, sizes = normal_words(text), range(shortest, longest + 1)
    return {tuple(words[start : start + size]) for size in sizes for start in range(len(words) - size + 1)}
