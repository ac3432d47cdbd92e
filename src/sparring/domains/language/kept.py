"""Fine-tuned models that are made once on a machine, and then read from the cache."""

import copy
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sparring.domains.language.fetch import built, cache, locked
from sparring.domains.language.target import OpenChat

_FILE = "weights.safetensors"


def kept(kind: str, base: OpenChat, settings: Any, make: Callable[[Path], OpenChat], name: str) -> OpenChat:
    """The base model with the weights that `make` gives it; from the cache, if it was made before.

    Args:
        kind: folder of the cache.
        base: stays as it was.
        settings: all that decides the weights, beside those of the base.
        make: trains, with checkpoints in a folder; a killed training goes on from there.
        name: of the result, for tables.
    """
    from safetensors.torch import load_file, save_file

    folder = cache(kind) / _digest(base.model, settings)
    checkpoints = folder.with_name(f"{folder.name}-training")
    with locked(folder):
        if not (folder / _FILE).is_file():
            weights = {key: one.detach().clone() for key, one in make(checkpoints).model.named_parameters()}
            with built(folder) as partial:
                save_file(weights, partial / _FILE)
            shutil.rmtree(checkpoints, ignore_errors=True)
    model = copy.deepcopy(base.model)
    stored = load_file(folder / _FILE)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            weight.copy_(stored[key])
    chat = base.with_model(model)
    chat.name = name
    return chat


def _digest(model: Any, settings: Any) -> str:
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=12)
    for _, weight in model.named_parameters():
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
