"""How tokens go through a causal language model with its memory in seats: any Hugging Face model, and Llamas faster."""

import inspect
from dataclasses import replace
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache

from sparring.domains.language.seats import Seats, Span, blocks


class Network(Protocol):
    """One way through the model."""

    def last(self, tokens: Tensor, seats: Seats, span: Span) -> Tensor:
        """Scores of what follows each row's last token, shape (row, vocabulary)."""
        ...

    def tail(self, tokens: Tensor, seats: Seats, span: Span, count: int) -> Tensor:
        """Scores of what follows each of the last `count` of the new tokens, shape (row, count, vocabulary).

        All rows share a start and a length.
        """
        ...


_made: WeakKeyDictionary[nn.Module, tuple[Any, "Llama"]] = WeakKeyDictionary()


def network(model: Any) -> Network:
    """The fast way where the model is a plain Llama, its own forward otherwise.

    The fast way is made once, and again after the weights have changed; a change in place through `.data` goes unseen.
    """
    if not _plain_llama(model):
        return Generic(model)
    state = [(one.data_ptr(), 0 if one.is_inference() else one._version) for one in model.parameters()]
    known = _made.get(model)
    if known is None or known[0] != state:
        known = _made[model] = (state, Llama(model))
    return known[1]


class _Slots(Cache):
    """Shows seats to a Hugging Face model as its cache."""

    def __init__(self, seats: Seats, span: Span) -> None:
        super().__init__(layers=[])
        self.seats, self.span = seats, span
        self.seen = span.length - 1 if span.start is None else span.start

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        return self.seats.store(layer_idx, key_states, value_states, self.span)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.seen

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self.seen

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return self.span.length, 0

    @property
    def is_sliding(self) -> list[bool]:
        return [False]

    @property
    def is_compileable(self) -> bool:
        return False


class Generic:
    """Any causal language model whose memory is keys and values, by its own forward."""

    def __init__(self, model: Any) -> None:
        self.model = model
        # Through adapters too: what they wrap takes the argument.
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.chooses = "logits_to_keep" in inspect.signature(inner.forward).parameters

    def last(self, tokens: Tensor, seats: Seats, span: Span) -> Tensor:
        width = tokens.shape[1]
        slots = torch.arange(span.length, device=tokens.device)
        at = torch.zeros_like(span.ends) if span.start is None else span.ends - 1 - span.start
        kept, where = at.unique(return_inverse=True)
        chosen = {"logits_to_keep": kept} if self.chooses else {}
        logits = self.model(
            input_ids=tokens,
            attention_mask=(slots < span.ends[:, None]).long(),
            position_ids=span.positions(width),
            past_key_values=_Slots(seats, span),
            use_cache=True,
            **chosen,
        ).logits
        return logits[torch.arange(len(tokens), device=tokens.device), where if self.chooses else at]

    def tail(self, tokens: Tensor, seats: Seats, span: Span, count: int) -> Tensor:
        chosen = {"logits_to_keep": count} if self.chooses else {}
        logits = self.model(
            input_ids=tokens,
            attention_mask=torch.ones(len(tokens), span.length, dtype=torch.long, device=tokens.device),
            position_ids=span.positions(tokens.shape[1]),
            past_key_values=_Slots(seats, span),
            use_cache=True,
            **chosen,
        ).logits
        return logits[:, -count:]


class Llama:
    """A Llama without the layers' own Python: joined projections, weights laid out once for the matrix kernels.

    The weights are read when it is made.
    """

    def __init__(self, model: Any) -> None:
        config, inner = model.config, model.model
        self.heads, self.groups = config.num_attention_heads, config.num_key_value_heads
        self.embed = inner.embed_tokens.weight
        self.rotary, self.norm = inner.rotary_emb, inner.norm
        self.head = _Matrix([model.lm_head])
        self.layers = [
            (
                layer.input_layernorm,
                _Matrix([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj]),
                _Matrix([layer.self_attn.o_proj]),
                layer.post_attention_layernorm,
                _Matrix([layer.mlp.gate_proj, layer.mlp.up_proj]),
                _Matrix([layer.mlp.down_proj]),
            )
            for layer in inner.layers
        ]

    def last(self, tokens: Tensor, seats: Seats, span: Span) -> Tensor:
        hidden = self.hidden(tokens, seats, span)
        if span.start is not None:
            rows = torch.arange(len(tokens), device=tokens.device)
            hidden = hidden[rows, span.ends - 1 - span.start]
        return self.head(_rms(hidden.reshape(len(tokens), -1), self.norm))

    def tail(self, tokens: Tensor, seats: Seats, span: Span, count: int) -> Tensor:
        hidden = self.hidden(tokens, seats, span)[:, -count:]
        return self.head(_rms(hidden.flatten(0, 1), self.norm)).view(len(tokens), count, -1)

    def hidden(self, tokens: Tensor, seats: Seats, span: Span) -> Tensor:
        """Before the last norm, shape (row, token, feature)."""
        rows, width = tokens.shape
        span = replace(span, length=blocks(span.length))
        hidden = functional.embedding(tokens, self.embed).flatten(0, 1)
        cosine, sine = self.rotary(hidden, span.positions(width))
        turn = cosine[:, :, None], sine[:, :, None]  # (row, token, head, feature)
        share = self.heads // self.groups
        mask = span.visible(width)[:, None]  # (row, group, token, slot)
        if share > 1 and width > 1:
            mask = mask.repeat_interleave(share, 2)
        mask = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device).masked_fill_(~mask, float("-inf"))
        for number, (norm_in, joined, out, norm_out, gate_up, down) in enumerate(self.layers):
            mixed = joined(_rms(hidden, norm_in)).view(rows, width, self.heads + 2 * self.groups, -1)
            size = mixed.shape[3]
            turned = _turn(mixed[:, :, : self.heads + self.groups], *turn)
            query, key = turned[:, :, : self.heads], turned[:, :, self.heads :]
            value = mixed[:, :, self.heads + self.groups :]
            keys, values = seats.store(number, key.transpose(1, 2), value.transpose(1, 2), span)
            # Heads that share a key stand as further query tokens of it, so that keys are never repeated.
            asked = query.view(rows, width, self.groups, share, size).permute(0, 2, 1, 3, 4)
            asked = asked.reshape(rows, self.groups, width * share, size)
            found = functional.scaled_dot_product_attention(asked, keys, values, attn_mask=mask)
            found = found.view(rows, self.groups, width, share, size).permute(0, 2, 1, 3, 4)
            hidden = hidden + out(found.reshape(rows * width, -1))
            gate, up = gate_up(_rms(hidden, norm_out)).chunk(2, 1)
            hidden = hidden + down(functional.silu(gate) * up)
        return hidden.view(rows, width, -1)


class _Matrix:
    """Linear layers with one input, multiplied as one."""

    def __init__(self, layers: list[nn.Linear]) -> None:
        weight = layers[0].weight.detach()
        weight = torch.cat([layer.weight.detach() for layer in layers]) if len(layers) > 1 else weight
        biases = [layer.bias for layer in layers]
        self.bias = None if biases[0] is None else torch.cat([bias for bias in biases if bias is not None])
        self.packed = _packs(weight)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, 64) if self.packed else weight

    def __call__(self, inputs: Tensor) -> Tensor:
        if len(inputs) == 1:  # kernels for one row add in another order, and a reply must not depend on its batch
            return self(inputs.expand(2, -1).contiguous())[:1]
        if not self.packed:
            return functional.linear(inputs, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")


def _packs(weight: Tensor) -> bool:
    """Whether to lay a weight out for the processor's kernels, which are faster, above all for a few rows."""
    if weight.device.type != "cpu" or not _has_kernels():
        return False
    return weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and fast_bfloat16())


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware, and torch offers its kernels."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    return bool(supported()) and _has_kernels()


def _has_kernels() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


def _rms(hidden: Tensor, norm: Any) -> Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], norm.weight, norm.variance_epsilon)


def _turn(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions, the two halves of the features being the pairs."""
    first, second = heads.chunk(2, -1)
    return heads * cosine + torch.cat((-second, first), -1) * sine


def _plain_llama(model: Any) -> bool:
    """Whether nothing but Llama is in there: no adapters, hooks, other activations or positions that grow."""
    if type(model).__name__ != "LlamaForCausalLM" or not type(model).__module__.startswith("transformers."):
        return False
    config = model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    kinds = {"Linear", "Embedding", "ModuleList", "SiLU", "SiLUActivation"}
    inside = [module for name, module in model.named_modules() if name]
    plain = all(type(m).__name__ in kinds or type(m).__name__.startswith("Llama") for m in inside)
    linear = all(type(m) is nn.Linear for m in inside if isinstance(m, nn.Linear))
    quiet = not any(m._forward_hooks or m._forward_pre_hooks for m in inside)
    same = len({weight.dtype for weight in model.parameters()}) == 1
    return (
        plain and linear and quiet and same and config.hidden_act == "silu" and rope in ("default", "linear", "llama3")
    )
