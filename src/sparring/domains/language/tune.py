"""Fine-tuning of a language model's copy: low-rank adapters (or all weights) over the one training loop."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core.errors import Incompatible, InvalidCases
from sparring.core.fit import Fitted, Learner, Step, fit
from sparring.core.progress import Progress, Silent
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import digest, to_spec
from sparring.domains.language.lora import adapted, adapters, merged, rounded
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import Tokens, by_length, encode, token_log_probs

__all__ = ["ADAMW", "Continue", "Objective", "Tokens", "by_length", "encode", "fine_tuned", "token_log_probs", "tune"]

ADAMW = Schedule(batch=16, optimiser="adamw", peak=2e-4, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=1.0)
_TOKENS = 4096  # padded tokens in one forward and backward


class Objective(ABC):
    """What a fine-tuning minimises.

    Args:
        size: items to learn from.
        lengths: tokens of each item, int64, shape (item,), so that batches are cut by length; None for no cutting.
    """

    size: int
    lengths: Tensor | None = None

    @property
    def name(self) -> str:
        """As the history calls its loss."""
        return type(self).__name__.lower()

    @abstractmethod
    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        """Sums over the items at `index` (int64, shape (batch,)); "loss" with a graph.

        A batch may come in parts, so random numbers belong to the item: draw them from `seed.child(item)`.
        """

    def at(self, done: float) -> "Objective":
        """The objective as it is when this share of the training, in [0, 1), lies behind; most stay as they are."""
        return self

    def asked(self) -> Any:
        """What tells this objective from another one, as plain data, so that no other training is gone on with."""
        return None


class Continue(Objective):
    """Mean negative log-likelihood of each continuation's tokens, given its prompt.

    Args:
        chat: whose tokens these are.
        prompts, continuations: texts, equally many.
        end: whether the end-of-text token is learned too.
    """

    def __init__(self, chat: OpenChat, prompts: Sequence[str], continuations: Sequence[str], *, end: bool = True):
        self.tokens = encode(chat, prompts, continuations, end=end)
        self.size, self.lengths = len(self.tokens), self.tokens.lengths
        self._asked = digest([list(prompts), list(continuations), end])

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        part = self.tokens[index]
        told = token_log_probs(model, part)
        return {"loss": -(told.sum(1) / part.mask.to(told.device).sum(1)).sum()}

    def asked(self) -> Any:
        return self._asked


def tune(
    chat: OpenChat,
    objective: Objective,
    *,
    rank: int = 8,
    epochs: int = 1,
    schedule: Schedule = ADAMW,
    seed: Seed | int = Seed(0),
    folder: Path | None = None,
    asked: dict[str, Any] | None = None,
    progress: Progress = Silent(),
    name: str = "fine-tuning",
    full: bool = False,
) -> OpenChat:
    """The same chat target with fine-tuned plain weights; `chat` stays as it was. See `fine_tuned`."""
    return fine_tuned(
        chat, objective, rank=rank, epochs=epochs, schedule=schedule, seed=seed, folder=folder, asked=asked,
        progress=progress, name=name, full=full,
    )[0]  # fmt: skip


def fine_tuned(
    chat: OpenChat,
    objective: Objective,
    *,
    rank: int = 8,
    epochs: int = 1,
    schedule: Schedule = ADAMW,
    seed: Seed | int = Seed(0),
    folder: Path | None = None,
    asked: dict[str, Any] | None = None,
    progress: Progress = Silent(),
    name: str = "fine-tuning",
    full: bool = False,
) -> tuple[OpenChat, Fitted]:
    """A fine-tuned copy, and the history of its training.

    The adapters are float32 over weights in the model's own type, and are added to the weights at the end. The model
    learns in evaluation mode, without dropout, so what is learned is what is asked later.

    Args:
        rank: of the adapters.
        epochs: passes over the objective's items.
        seed: same seed, same weights, however often the training was killed.
        folder: for checkpoints of the adapters, where a killed training goes on.
        asked: what else decides the result; a checkpoint of anything else is refused.
        full: train all weights in float32 instead; four times the memory.

    Raises:
        Incompatible: for a target without weights.
        InvalidCases: for nothing to learn from.
    """
    if not isinstance(chat, OpenChat):
        raise Incompatible(
            f"{name} needs a target whose weights are at hand (LocalChat); got {type(chat).__name__}. For others there "
            "are the repairs that wrap: Blocklist, PromptAugmentation."
        )
    if objective.size < 1:
        raise InvalidCases(f"{name}: there is nothing to learn from.")
    seed = Seed.of(seed)
    model = copy.deepcopy(chat.model).eval()
    dtypes = {key: weight.dtype for key, weight in model.named_parameters()}
    model = model.float().requires_grad_(True) if full else adapted(model, rank, seed.child("adapters"))
    learner = _Tuning(model, objective)
    told = {
        "target": chat.fingerprint(), "objective": objective.asked(), "size": objective.size, "rank": rank,
        "epochs": epochs, "schedule": to_spec(schedule), "seed": seed.value, "full": full, **(asked or {}),
    }  # fmt: skip
    fitted = fit(
        learner, epochs=epochs, schedule=schedule, seed=seed, folder=folder, asked=told, progress=progress, name=name
    )
    if full:
        for key, weight in model.named_parameters():
            weight.data = rounded(weight.data, dtypes[key], seed.child("rounding", key))
    else:
        model = merged(model, seed.child("rounding"))
    model.zero_grad()
    return chat.with_model(model), fitted


class _Tuning(Learner):
    """Only what is trained is in `module`, so a checkpoint holds the adapters and not the model."""

    def __init__(self, model: Any, objective: Objective) -> None:
        self.model, self.objective, self.size = model, objective, objective.size
        self.module = nn.ParameterList(adapters(model).values())

    def backward(self, step: Step) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        lengths = self.objective.lengths
        parts = [step.index] if lengths is None else by_length(lengths, step.index, _TOKENS)
        objective = self.objective.at(step.done)
        with torch.enable_grad():
            for part in parts:
                told = objective.loss(self.model, part, step.seed)
                (told["loss"] / len(step.index)).backward()
                for key, value in told.items():
                    sums[key] = sums.get(key, 0.0) + value.detach()
        return sums
