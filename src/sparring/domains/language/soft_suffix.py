"""Soft suffixes: vectors in the place of a suffix's tokens, which no text could put there."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from sparring.domains.language.loading import ends_of
from sparring.domains.language.networks import network
from sparring.domains.language.suffix import Slot
from sparring.domains.language.suffix_loss import SuffixLoss


@dataclass(frozen=True)
class Softened:
    """What vectors did to one case.

    Args:
        losses: mean cross-entropy per token of the aim's opening, before each step and after the last.
        reply: the likeliest tokens behind the vectors of lowest loss.
        vectors: those, shape (token, feature).
    """

    losses: tuple[float, ...]
    reply: str
    vectors: Tensor


def soften(slot: Slot, tokens: list[int], steps: int, step_size: float) -> Softened:
    """Signed gradient descent from these tokens' vectors, and the greedy reply to the best that was found.

    Paper: Schwinn et al., 2024, arXiv:2402.09063, section 3.
    Differs: the step is a fraction of the embeddings' own scale, so that one setting serves every model, and shrinks
    linearly to nothing; the vectors of lowest loss are kept, not the last.
    Cost: `steps + 2` forwards, `steps + 1` input-backwards and a reply, metered as one forward.

    Args:
        slot: where the vectors stand.
        tokens: of the suffix whose vectors they start from.
        steps: gradient steps.
        step_size: first step / root mean square of the model's input vectors.
    """
    loss = SuffixLoss(slot.chat, network(slot.chat.model), slot.head, slot.foot, slot.opening, len(tokens))
    table = loss.vectors.detach()
    vectors = table[torch.tensor(tokens, device=table.device)].float()
    size = step_size * float(table.float().square().mean().sqrt())
    best, lowest, losses = vectors, float("inf"), []
    for step in range(steps + 1):
        value, slope = loss.soft_gradient(vectors.to(table.dtype))
        losses.append(value)
        if value < lowest:
            best, lowest = vectors, value
        vectors = vectors - size * (1 - step / (steps + 1)) * slope.float().sign()
    return Softened(tuple(losses), greedy_reply(slot, best.to(table.dtype)), best)


@torch.no_grad()
def greedy_reply(slot: Slot, vectors: Tensor) -> str:
    """The likeliest token each time, as many as the chat's sampling allows, behind these vectors."""
    chat, layer = slot.chat, slot.chat.model.get_input_embeddings()
    head, foot = (
        layer(torch.tensor([part], dtype=torch.long, device=vectors.device)) for part in (slot.head, slot.foot)
    )  # type: ignore[operator]
    cache, ends, written = DynamicCache(), ends_of(chat.model, chat.tokenizer), []
    told = chat.model(inputs_embeds=torch.cat([head, vectors[None], foot], 1), past_key_values=cache, use_cache=True)
    for _ in range(chat.sampling.tokens):
        token = int(told.logits[0, -1].argmax())
        if token in ends:
            break
        written.append(token)
        told = chat.model(
            input_ids=torch.tensor([[token]], device=vectors.device), past_key_values=cache, use_cache=True
        )
    chat.meter.forwards += 1
    return str(chat.tokenizer.decode(written, skip_special_tokens=True)).strip()
