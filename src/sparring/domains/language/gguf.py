"""GGUF files: converted once to a folder of safetensors in the cache, which loads in under a second ever after."""

import hashlib
import os
from pathlib import Path
from typing import Any

from sparring.core.errors import InvalidSpec, MissingExtra
from sparring.domains.language.fetch import built, cache, locked
from sparring.domains.language.quiet import quiet

_MAGIC = b"GGUF"


def converted(file: Path) -> Path:
    """The folder with this file's model as bfloat16 safetensors and its tokenizer, made on the first call.

    A conversion that is killed leaves nothing half; two at once wait for each other.
    Cost: half a minute and four bytes of memory per weight, once; then a look at the file's digest.

    Raises:
        InvalidSpec: if it is no GGUF file, or holds a kind of model that transformers cannot read.
        MissingExtra: if the reader is not installed.
    """
    with file.open("rb") as content:
        if content.read(4) != _MAGIC:
            raise InvalidSpec(f"{file} is not a GGUF file: it does not begin with the letters GGUF.")
        content.seek(0)
        digest = hashlib.file_digest(content, "blake2b").hexdigest()[:16]
    folder = cache("models") / f"{file.stem}-{digest}"
    if not folder.is_dir():
        with locked(folder):
            if not folder.is_dir():
                with built(folder) as partial:
                    _convert(file, partial)
    return folder


def _convert(file: Path, folder: Path) -> None:
    try:
        import gguf  # noqa: F401  transformers asks for it in a sentence that names no extra
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtra('GGUF files need more packages: pip install "sparring[lm]"') from error
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name, "local_files_only": True}
    try:
        with quiet():
            tokenizer: Any = AutoTokenizer.from_pretrained(**where)
            model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    except (ValueError, KeyError, NotImplementedError, OSError) as error:
        told = str(error).partition(os.linesep)[0]
        raise InvalidSpec(f"{file} holds a model that transformers cannot read ({told}).") from error
    # What is loaded from GGUF counts as quantised and refuses to be saved, although its weights are plain by now.
    model.hf_quantizer = None
    model.is_quantized = False
    for holder, name in ((model.config, "quantization_config"), (model, "quantization_method")):
        if name in vars(holder):
            delattr(holder, name)
    with quiet():
        model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
