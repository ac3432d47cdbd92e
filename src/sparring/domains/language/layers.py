"""Layers: what a language model holds between its blocks, and how that is read or moved."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from sparring.core.errors import Incompatible, InvalidSpec
from sparring.domains.language.tokens import Tokens


class _Enough(Exception):
    """The deepest layer that was asked for is there; what comes after it need not be computed."""


def blocks(model: Any) -> nn.ModuleList:
    """The blocks of a language model, the first one first.

    Raises:
        Incompatible: for a model that keeps them in no list.
    """
    count = getattr(model.config, "num_hidden_layers", 0)
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise Incompatible(
        f"{type(model).__name__} has no list of {count} blocks, so there are no layers to read; use a model whose blocks "
        "lie in one ModuleList, such as a Llama."
    )


def layer_at(model: Any, depth: float) -> int:
    """How many blocks lie before a depth, a share of all: 0 is the embeddings, 1 the end of the last block.

    Raises:
        InvalidSpec: for a depth outside [0, 1].
    """
    if not 0 <= depth <= 1:
        raise InvalidSpec(f"a depth is a share of a model's blocks, in [0, 1]; got {depth}.")
    return round(depth * len(blocks(model)))


def layer_states(model: Any, tokens: Tokens, layers: Sequence[int]) -> list[Tensor]:
    """What the model holds after so many blocks, for each of `layers`; blocks after the last one are not computed.

    Args:
        layers: ascending; 0 is the embeddings.

    Returns:
        Each in the model's number type, shape (batch, token, feature), with a graph.
    """
    tokens = tokens.to(model.device)
    found: dict[int, Tensor] = {}

    def keeper(layer: int) -> Any:
        def keep(module: Any, given: Any, out: Any) -> None:
            found[layer] = _states(out)
            if layer == max(layers):
                raise _Enough

        return keep

    handles = [_maker(model, layer).register_forward_hook(keeper(layer)) for layer in layers]
    try:
        model.base_model(input_ids=tokens.ids, attention_mask=tokens.attention.long(), use_cache=False)
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [found[layer] for layer in layers]


@contextmanager
def moved(model: Any, changes: Mapping[int, Tensor]) -> Iterator[None]:
    """Inside, what the model holds after so many blocks is changed by that much, from the first token on.

    The rows of a batch are moved each by its own change, so they are to be read apart (`shares=False`).

    Args:
        changes: layer -> what is added, shape (batch, token, feature), no longer than what is asked.
    """

    def mover(change: Tensor) -> Any:
        def move(module: Any, given: Any, out: Any) -> Any:
            states = _states(out)
            full = functional.pad(change, (0, 0, 0, states.shape[1] - change.shape[1]))
            states = states + full.to(states.dtype)
            return (states, *out[1:]) if isinstance(out, tuple) else states

        return move

    handles = [_maker(model, layer).register_forward_hook(mover(change)) for layer, change in changes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _maker(model: Any, layer: int) -> nn.Module:
    """The module whose output is the states after so many blocks."""
    return model.get_input_embeddings() if layer == 0 else blocks(model)[layer - 1]


def _states(out: Any) -> Tensor:
    return out[0] if isinstance(out, tuple) else out
