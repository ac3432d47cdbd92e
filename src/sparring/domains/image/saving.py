"""Whole targets in and out: a classifier's weights, and the net that a mitigation has put in front of it or beside it."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from sparring.core.errors import InvalidSpec
from sparring.core.target import Target
from sparring.domains.image.generators import Cleaner, Critic
from sparring.domains.image.guarded import Guarded
from sparring.domains.image.purified import Purified
from sparring.domains.image.target import Classifier
from sparring.domains.image.weights import header_of, load_weights, save_weights

_KEY, _SEEN = "wrapped", "normalisation"


def save_target(target: Target, path: Path | str) -> bool:
    """Writes a target as safetensors, with its lineage in the header; False where it holds no weights to write.

    Raises:
        SparringError: if the disk is full or the folder cannot be written.
    """
    seen = {_SEEN: _normalisation(target)}
    wrapped = _taken_apart(target)
    if wrapped is not None:
        bare, net, settings = wrapped
        settings |= {"channels": net.channels, "width": net.width}
        whole = nn.ModuleDict({"bare": bare.module, "net": net})
        save_weights(whole, path, target.lineage, {_KEY: json.dumps(settings), **seen})
        return True
    module = getattr(target, "module", None)
    if not isinstance(module, nn.Module):
        return False
    save_weights(module, path, target.lineage, seen)
    return True


def load_target(target: Target, path: Path | str) -> Target:
    """The target with the weights of a file and the lineage that came with them, wrapped as it was when it was saved.

    Raises:
        UnsafeWeights: if the file would run code on loading.
        InvalidSpec: if there is no file, or its weights are not this target's.
    """
    module = getattr(target, "module", None)
    if not isinstance(module, nn.Module):
        raise InvalidSpec(f"{target.name} has no weights to load {path} into; it is a {type(target).__name__}.")
    header = header_of(path)
    saved, own = header.get(_SEEN, ""), _normalisation(target)
    if saved and own and saved != own:
        raise InvalidSpec(
            f"{path} was trained behind another normalisation, mean and std {saved}; {target.name} has {own}. Give the "
            "Classifier the mean and std that the weights were trained with."
        )
    settings = json.loads(header.get(_KEY, "null"))
    if settings is None:
        target.lineage = (*target.lineage, *load_weights(module, path))
        return target
    if not isinstance(target, Classifier):
        raise InvalidSpec(f"{path} holds a classifier with a mitigation around it; got a {type(target).__name__}.")
    kind, channels, width = (settings.pop(key) for key in ("kind", "channels", "width"))
    net = (Critic(channels, width) if kind == "guarded" else Cleaner(channels, width)).to(target.device)
    lineage = load_weights(nn.ModuleDict({"bare": module, "net": net}), path)
    made = Guarded(target, net.eval(), **settings) if kind == "guarded" else Purified(net.eval(), target, **settings)
    made.lineage = (*target.lineage, *lineage)
    return made


def _normalisation(target: Target) -> str:
    """Mean and std of the classifier inside, as text; empty for what is no Classifier."""
    bare = target.bare
    if not isinstance(bare, Classifier):
        return ""
    return json.dumps([None if value is None else list(value) for value in (bare.mean, bare.std)])


def _taken_apart(target: Target) -> tuple[Classifier, Any, dict[str, Any]] | None:
    """The classifier, the net around it and that net's settings; None for a target without one of our nets."""
    if isinstance(target, Guarded) and isinstance(target.critic, Critic):
        settings = {"kind": "guarded", "threshold": target.threshold, "scale": target.scale}
        return target.inner, target.critic, settings
    if isinstance(target, Purified) and isinstance(target.cleaner, Cleaner):
        return target.classifier, target.cleaner, {"kind": "purified", "levels": target.levels}
    return None
