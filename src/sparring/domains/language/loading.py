"""Language models from disk: safetensors and a tokenizer, nothing that runs code."""

import json
from pathlib import Path
from typing import Any

import torch

from sparring.core.errors import InvalidSpec, MissingExtra, UnsafeWeights
from sparring.domains.language.gguf import converted
from sparring.domains.language.quiet import quiet

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def load(source: str | Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """A model and its tokenizer, from a folder, a GGUF file, or a name at the hub.

    Raises:
        InvalidSpec: if there is no language model.
        UnsafeWeights: if loading it would run code.
        MissingExtra: if transformers is not installed.
    """
    path = Path(source)
    if path.is_file():
        if path.suffix != ".gguf":
            raise InvalidSpec(f"{path} is neither a folder nor a GGUF file. Name the folder that holds config.json.")
        path = converted(path)
    named = not path.is_dir()
    if named and (str(source).count("/") != 1 or str(source)[0] in "./~"):
        raise InvalidSpec(
            f"there is no model at {source}: expected a folder, a GGUF file, or a hub name (owner/model)."
        )
    if not named:
        _check(path)
    return _load(str(source) if named else str(path), dtype, named)


def number_type(name: str, device: torch.device) -> torch.dtype:
    """The torch type of that name; `auto` is bfloat16 where the device multiplies it in hardware.

    Raises:
        InvalidSpec: for an unknown name.
    """
    if name == "auto":
        from sparring.domains.language.networks import fast_bfloat16

        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else fast_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    if name not in _TYPES:
        raise InvalidSpec(f"dtype is auto or one of {', '.join(_TYPES)}; got {name!r}.")
    return _TYPES[name]


def ends_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a reply, as tokenizer, generation settings and model name them."""
    found: set[int] = set()
    for holder in (tokenizer, getattr(model, "generation_config", None), model.config):
        ids = getattr(holder, "eos_token_id", None)
        found |= set(ids) if isinstance(ids, list) else {ids} if ids is not None else set()
    return frozenset(found)


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InvalidSpec(
            f"{folder} is no model: there is no config.json in it. Name a folder made by save_pretrained."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidSpec(f"{folder / 'config.json'} is not JSON ({error}).") from error
    if "auto_map" in config and not _known(config.get("model_type")):
        raise UnsafeWeights(
            f"{folder} brings Python of its own (auto_map in config.json), which loading would run, so it is refused. "
            "Use a model that transformers knows by itself, or serve it elsewhere and name its endpoint."
        )
    if list(folder.glob("*.safetensors")):
        return
    pickles = [found.name for pattern in _PICKLES for found in folder.glob(pattern)]
    if pickles:
        raise UnsafeWeights(
            f"{folder} holds its weights in {pickles[0]}, and loading that could run code, so it is refused. If you "
            f"trust where it comes from, convert it once: load it with transformers and call "
            f"model.save_pretrained('{folder}'), which writes safetensors."
        )
    raise InvalidSpec(f"{folder} is no model: there are no weights (*.safetensors) in it.")


def _known(kind: Any) -> bool:
    _transformers()
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return kind in CONFIG_MAPPING_NAMES


def _load(name: str, dtype: torch.dtype, hub: bool) -> tuple[Any, Any]:
    library = _transformers()
    safe = {"trust_remote_code": False, "local_files_only": not hub}
    try:
        with quiet():  # a bar of half a second says nothing
            tokenizer = library.AutoTokenizer.from_pretrained(name, **safe)
            model = library.AutoModelForCausalLM.from_pretrained(name, dtype=dtype, use_safetensors=True, **safe)
    except (OSError, ValueError, KeyError) as error:
        told = str(error).strip().partition("\n")[0]
        raise InvalidSpec(
            f"no language model with safetensors and a tokenizer could be loaded from {name} ({told}). "
            "Name a folder made by save_pretrained, a GGUF file, or a model of the hub."
        ) from error
    return model, tokenizer


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra('local language models need more packages: pip install "sparring[lm]"') from error
    return transformers
