"""Opens a chat target by what a user calls it: a recipe's node, a folder, a GGUF file, an address, a function."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparring.core.errors import InvalidSpec
from sparring.domains.language.target import Chat, Sampling

_HUB = re.compile(r"[\w-]+/[\w.-]+")


def open_chat(
    reference: Any,
    *,
    model: str = "",
    sampling: Sampling = Sampling(),
    system: str = "",
    seed: int = 0,
    completions: bool = False,
) -> Chat:
    """A chat target.

    Args:
        reference: a Chat (taken as it is), a function of one text (the target itself) or without parameters (returns
            one), `smollm2`, the address of an OpenAI-compatible endpoint, a GGUF file, a model's folder, or its
            name at the hub (owner/model).
        model: which of an endpoint's models.
        system: prompt that it works under; not for a Chat or a function, which bring their own.
        completions: whether an endpoint is taken to continue texts, as a red language model must.

    Raises:
        InvalidSpec: if it is none of these.
    """
    if system and (isinstance(reference, Chat) or callable(reference)):
        raise InvalidSpec(
            "a system prompt is given to models and endpoints named as text; this target is a function or a constructor "
            "call. Put the prompt into the function, or into the node: {use: ..., system: ...}."
        )
    if isinstance(reference, Chat):
        return reference
    if callable(reference):
        return _of_function(reference)
    text = str(reference)
    if text == "smollm2":
        from sparring.domains.language.smollm2 import smollm2

        return smollm2(sampling=sampling, system=system, seed=seed)
    if text.startswith(("http://", "https://")):
        from sparring.domains.language.endpoint import Endpoint

        if not model:
            raise InvalidSpec(f"an endpoint serves several models: say which with --model NAME for {text}.")
        return Endpoint(text, model, sampling=sampling, system=system, seed=seed, completions=completions)
    if text.endswith(".py"):
        raise InvalidSpec(f"{text} is a file of Python: say which function of it is the target, as in {text}:answer.")
    if Path(text).exists() or _HUB.fullmatch(text):
        from sparring.domains.language.local_chat import LocalChat

        return LocalChat(text, sampling=sampling, system=system, seed=seed)
    raise InvalidSpec(
        f"there is no target {text!r}: name smollm2, a model's folder, its name at the hub, a GGUF file, http://address/v1 with --model, or "
        "file.py:function."
    )


def _of_function(function: Callable[..., Any]) -> Chat:
    from sparring.domains.language.function_chat import FunctionChat

    needed = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(needed) == 1:
        return FunctionChat(function)
    if needed:
        raise InvalidSpec(
            f"{getattr(function, '__name__', 'the function')} takes {len(needed)} parameters; a target takes one text "
            "and returns one, and a function that returns a target takes none."
        )
    made = function()
    if isinstance(made, Chat):
        return made
    if callable(made):
        return FunctionChat(made)
    raise InvalidSpec(
        f"{getattr(function, '__name__', 'the function')} must return a chat target or a function; got "
        f"{type(made).__name__}. See sparring.LocalChat, sparring.Endpoint and sparring.FunctionChat."
    )
