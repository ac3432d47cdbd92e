"""A small model that does the desk's work: SmolLM2-135M-Instruct, fine-tuned on errands."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sparring.core.progress import Progress, Silent
from sparring.domains.language.agent import Agent
from sparring.domains.language.kept import kept
from sparring.domains.language.support_desk.errands import errands
from sparring.domains.language.support_desk.world import DeskToolbox
from sparring.domains.language.target import OpenChat, Sampling

REPLY = Sampling(tokens=48, temperature=0.0)


def desk_chat(
    base: OpenChat,
    *,
    count: int = 299,
    epochs: int = 1,
    rank: int = 16,
    peak: float = 1.5e-3,
    batch: int = 8,
    seed: int = 0,
    progress: Progress = Silent(),
) -> OpenChat:
    """The base model, fine-tuned on benign errands of the desk; made once, then read from the cache.

    It learns the job and a plain rule: asked directly for what is confidential, it declines. It sees no attack.

    Args:
        base: stays as it was.
        count: errands to learn from.
        epochs: passes over them.
        rank: of the adapters.
        peak: learning rate.
    """
    from sparring.domains.language.tune import ADAMW, Continue, tune

    own = errands(count, "train", seed)
    prompts, replies = [base.prompt_of(one.asked) for one in own], [one.reply for one in own]

    def make(folder: Any) -> OpenChat:
        schedule = replace(ADAMW, batch=batch, peak=peak)
        return tune(
            base, Continue(base, prompts, replies), rank=rank, epochs=epochs, schedule=schedule, seed=seed,
            folder=folder, progress=progress, name="learning the desk's work",
        )  # fmt: skip

    settings = (prompts, replies, epochs, rank, peak, batch, seed)
    return kept("desk", base, settings, make, f"{base.name}-desk")


def desk_smollm2(**settings: Any) -> Agent:
    """The support desk on SmolLM2-135M-Instruct, with its tools: trained once, some minutes on two cores.

    Args:
        settings: of `LocalChat`.
    """
    from sparring.domains.language.smollm2 import smollm2

    chat: Callable[..., OpenChat] = smollm2
    return Agent(desk_chat(chat(**{"sampling": REPLY, **settings})), DeskToolbox())
