"""Adapters: low-rank changes of a language model's linear layers, and their way back into plain weights."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparring.core.errors import InvalidSpec, MissingExtra
from sparring.core.seed import Seed
from sparring.domains.language.quiet import quiet


def adapted(model: PreTrainedModel, rank: int, seed: Seed) -> PreTrainedModel:
    """Freezes a model's weights and adds trainable adapters to every linear layer but the last, in place.

    Paper: LoRA, Hu et al., 2022, arXiv:2106.09685, section 4; by peft.
    Differs: every linear layer of the blocks is adapted, not only the attention's queries and values, with a scale of
    2; the adapters are float32 whatever the weights are.

    Args:
        rank: of each change.
        seed: of the adapters' first factors; the second start at zero, so the model answers as before.

    Raises:
        InvalidSpec: if `rank` is below 1.
        MissingExtra: without peft.
    """
    if rank < 1:
        raise InvalidSpec(f"adapters need a rank of 1 or more; got {rank}.")
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra('fine-tuning a language model needs peft: pip install "sparring[lm]"') from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none", task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]), quiet():
        torch.default_generator.manual_seed(seed.value)
        return get_peft_model(model, config).get_base_model()  # type: ignore[return-value]


def adapters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable weights of an adapted model, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


@torch.no_grad()
def merged(model: PreTrainedModel, seed: Seed) -> PreTrainedModel:
    """An adapted model with its adapters added to the weights and removed, in place.

    A change smaller than half a step of bfloat16 would be rounded away, and with it what was learned; so it is rounded
    up or down by chance, right in the mean.
    """
    for parent, name, layer in list(_layers(model)):
        base = layer.get_base_layer()
        changed = base.weight.float() + layer.get_delta_weight("default").float()
        base.weight.copy_(rounded(changed, base.weight.dtype, seed.child(name)))
        setattr(parent, name.rpartition(".")[2], base)
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(True)
    return model


def rounded(values: Tensor, dtype: torch.dtype, seed: Seed) -> Tensor:
    """Float32 values as another floating type; bfloat16 by stochastic rounding, so that the mean is kept."""
    if dtype is not torch.bfloat16:
        return values.to(dtype)
    noise = torch.randint(0, 1 << 16, values.shape, generator=seed.generator(), dtype=torch.int32).to(values.device)
    bits = (values.contiguous().view(torch.int32) + noise) & ~0xFFFF
    return bits.view(torch.float32).to(dtype)


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    from peft.tuners.lora import LoraLayer

    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            yield model.get_submodule(name.rpartition(".")[0]), name, layer
