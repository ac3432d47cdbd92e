"""Weights in and out: safetensors, or torch files that hold tensors alone; nothing that runs code on loading."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_model
from torch import Tensor, nn

from sparring.core.errors import InvalidSpec, SparringError, UnsafeWeights
from sparring.core.panel import Panel
from sparring.core.target import Hardening

_NESTED = ("state_dict", "model_state_dict", "model")  # where training scripts put weights inside a checkpoint


def load_weights(module: nn.Module, path: Path | str) -> tuple[Hardening, ...]:
    """Fills a module with the weights of a file, in place.

    Returns:
        The lineage that `save_weights` wrote beside them; empty for weights from elsewhere.

    Raises:
        UnsafeWeights: if the file would run code on loading.
        InvalidSpec: if there is no file, or its weights are not this module's.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidSpec(f"there are no weights at {path}. Name a .safetensors file or a torch file of weights.")
    state, lineage = _safetensors(path) if path.suffix == ".safetensors" else (_torch_file(path), ())
    _fill(module, state, path)
    return lineage


def header_of(path: Path | str) -> dict[str, str]:
    """What a safetensors file says of itself; nothing for other files."""
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise InvalidSpec(f"{path} is not a safetensors file of weights ({error}).") from error


def save_weights(
    module: nn.Module,
    path: Path | str,
    lineage: tuple[Hardening, ...] = (),
    header: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes a module's weights as safetensors, with the history of defences that made them in its header.

    Raises:
        SparringError: if the disk is full or the folder cannot be written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(module, str(partial), {"lineage": json.dumps([asdict(step) for step in lineage]), **header})
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise SparringError(
            f"cannot write {path} ({error}). Make room or choose another folder, and run the same command again."
        ) from error


def _safetensors(path: Path) -> tuple[dict[str, Tensor], tuple[Hardening, ...]]:
    try:
        steps = json.loads(header_of(path).get("lineage", "[]"))
        return load_file(path), tuple(_step(step) for step in steps)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InvalidSpec(f"{path} is not a safetensors file of weights ({error}).") from error


def _step(data: dict[str, Any]) -> Hardening:
    sequences: dict[str, Any] = {key: tuple(data.pop(key)) for key in ("families", "notes", "history")}
    panels = tuple(Panel(**panel) for panel in data.pop("panels", ()))
    return Hardening(**data, **sequences, panels=panels)


def _torch_file(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        new = path.with_suffix(".safetensors")
        raise UnsafeWeights(
            f"{path} holds more than tensors, and loading it could run code, so it is refused. If you trust where it "
            f'comes from, convert it once: python -c "import torch; from safetensors.torch import save_file; x = '
            f"torch.load('{path}', weights_only=False); save_file(x.state_dict() if hasattr(x, 'state_dict') else x, "
            f"'{new}')\""
        ) from error
    for key in _NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InvalidSpec(
            f"{path} holds no weights: expected a state dict of tensors, or one under {', '.join(_NESTED)}. "
            "Save it with torch.save(model.state_dict(), path)."
        )
    return {key: value for key, value in found.items() if isinstance(value, Tensor)}


def _fill(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    own = module.state_dict()
    # Nets trained on several devices carry a prefix that says nothing about the weights.
    if state and all(key.startswith("module.") for key in state) and not any(key.startswith("module.") for key in own):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    shared = {value.data_ptr() for key, value in own.items() if key in state and value.numel()}
    absent = [key for key, value in own.items() if key not in state and value.data_ptr() not in shared]
    strange = [key for key in state if key not in own]
    reshaped = [key for key in state if key in own and state[key].shape != own[key].shape]
    problems = (("lacks", absent), ("adds", strange), ("has another shape for", reshaped))
    told = [f"{what} {', '.join(keys[:3])}{' ...' if len(keys) > 3 else ''}" for what, keys in problems if keys]
    if told:
        raise InvalidSpec(
            f"{path} does not fit {type(module).__name__}: it {'; it '.join(told)}. "
            "Name weights of the same architecture."
        )
    module.load_state_dict(state, strict=False)
