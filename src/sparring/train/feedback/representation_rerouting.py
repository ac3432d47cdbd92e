"""Representation rerouting: what an injection makes of the inner states is turned away from what it was."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.domains.language.layers import layer_at, layer_states
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import Tokens, by_length, encode
from sparring.domains.language.tune import Objective
from sparring.train.feedback.injected import Attempted, Benign, FromInjections
from sparring.train.feedback.material import Again, Mixed

_ASIDE = 0.05  # of a state's norm
_ALIKE = 1 - 1e-6  # cosine from which on an angle is 0, and has no gradient
_TOKENS = 4096  # padded tokens in one forward of the target as it was


@dataclass(frozen=True, kw_only=True)
class RepresentationRerouting(FromInjections):
    """Circuit breakers: inner states on the way to obeying are made orthogonal to what they were, others stay.

    A model that is pushed off its way says something broken and not the safe reply: look at what it still does for the
    user under attack.

    Paper: Zou et al., 2024, arXiv:2406.04313, section 3.2 and algorithm 1 (coefficients from 1 to 1/2 and from 0 to 1/2).
    Differs: rerouted are the tokens from the adversary's first one on, for what stands before is the same without an
    attack; the distance on benign items is a share of the state's norm, so neither loss depends on the model's scale,
    and the paper's common factor alpha, which Adam takes out again, is left out; benign items are the target's own.
    In place of the cosine stands the angle, which is zero at the same place and has the same slope everywhere: a cosine is
    flat where the training begins, and the benign items' distance is not, so they would hold everything there.
    Blocks after the last depth have no part in the losses, so their adapters stay at zero.
    Cost: four forwards for an attempt or a benign item, and its reply, up to the deepest of the layers.
    Families: those of its templates.

    Args:
        depths: layers that are looked at, as shares of the blocks before; a third and two thirds, like the paper's 10
            and 20 of 32.
        retention: weight of the distance on benign items, beside 1 for the angle; being a share of a norm, a distance of a
            tenth is large already, so with 1 a model can lose what it knew. The toy of the tests needs 20.

    Raises:
        InvalidSpec: for no depths or one outside (0, 1].
    """

    depths: tuple[float, ...] = (1 / 3, 2 / 3)
    retention: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "depths", tuple(self.depths))
        if not self.depths or not all(0 < depth <= 1 for depth in self.depths):
            raise InvalidSpec(f"{self.name} needs depths in (0, 1], one or more; got {self.depths}.")

    @property
    def passes(self) -> int:
        return 4

    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        layers = sorted({max(1, layer_at(chat.model, depth)) for depth in self.depths})
        attacked = encode(chat, attempted.prompts, attempted.obeying, end=False)
        starts = attacked.mask.int().argmax(1) - torch.tensor([far for far, _ in attempted.written])
        place = attacked.attention & (torch.arange(attacked.ids.shape[1])[None, :] >= starts[:, None])
        parts: list[tuple[Objective, float]] = [(Ramp(Rerouted(chat, attacked, place, layers), 1.0, 0.5), 1.0)]
        if benign.prompts:
            own = encode(chat, benign.prompts, benign.replies)
            held = Again(Unmoved(chat, own, own.attention, layers), benign.size)
            parts.append((Ramp(held, 0.0, 0.5), self.retention))
        return Mixed(parts)


class States(Objective):
    """What becomes of inner states that are known from the target as it was, at some tokens.

    Args:
        chat: the target as it was; it is run once.
        tokens: rows.
        place: bool, shape (batch, token), some in every row: the tokens whose states count.
        layers: ascending; after so many blocks.
    """

    def __init__(self, chat: OpenChat, tokens: Tokens, place: Tensor, layers: Sequence[int]) -> None:
        self.tokens, self.place, self.layers = tokens, place, tuple(layers)
        self.size, self.lengths = len(tokens), tokens.lengths
        self.before: list[Tensor] = [torch.zeros(0)] * self.size  # each of shape (layer, token, feature)
        with torch.no_grad():
            for index in by_length(self.lengths, torch.arange(self.size), _TOKENS):
                states = torch.stack(layer_states(chat.model, tokens[index], self.layers)).cpu()
                for row, item in enumerate(index.tolist()):
                    self.before[item] = states[:, row, place[item, : states.shape[2]]]
        self._asked = digest([tokens.ids.tolist(), place.tolist(), list(layers)])

    @abstractmethod
    def compared(self, before: Tensor, now: Tensor) -> Tensor:
        """The loss at each token and layer, from states of shape (layer, token, feature), float32."""

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        part = self.tokens[index]
        states = layer_states(model, part, self.layers)
        sums = torch.zeros((), device=model.device)
        for row, item in enumerate(index.tolist()):
            own = self.place[item, : part.ids.shape[1]].to(model.device)
            now = torch.stack([layer[row, own] for layer in states])
            sums = sums + self.compared(self.before[item].to(model.device).float(), now.float()).mean()
        return {"loss": sums}

    def asked(self) -> Any:
        return [self.name, self._asked]


class Rerouted(States):
    """Mean over tokens and layers of max(0, 1 - angle between the states then and now, in right angles).

    The states then are moved a little in one direction for all tokens of a layer, for where both are equal, as at the
    beginning, no direction leads away.
    """

    def __init__(self, chat: OpenChat, tokens: Tokens, place: Tensor, layers: Sequence[int]) -> None:
        super().__init__(chat, tokens, place, layers)
        draw = Seed(0).child("rerouted").generator()
        aside = functional.normalize(torch.randn(len(layers), 1, self.before[0].shape[-1], generator=draw), dim=-1)
        self.before = [
            (one.float() + _ASIDE * torch.linalg.vector_norm(one.float(), dim=-1, keepdim=True) * aside).to(one.dtype)
            for one in self.before
        ]

    def compared(self, before: Tensor, now: Tensor) -> Tensor:
        cosine = functional.cosine_similarity(before, now, dim=-1).clamp(-_ALIKE, _ALIKE)
        return functional.relu(1 - torch.arccos(cosine) * 2 / math.pi)


class Unmoved(States):
    """Mean over tokens and layers of the states' distance / norm of the state then."""

    def compared(self, before: Tensor, now: Tensor) -> Tensor:
        return torch.linalg.vector_norm(now - before, dim=-1) / torch.linalg.vector_norm(before, dim=-1)


class Ramp(Objective):
    """An objective whose weight goes linearly from `start` to `end` over the training; its history is unweighted."""

    def __init__(self, objective: Objective, start: float, end: float, done: float = 0.0) -> None:
        self.objective, self.start, self.end, self.done = objective, start, end, done
        self.size, self.lengths = objective.size, objective.lengths

    @property
    def name(self) -> str:
        return self.objective.name

    @property
    def weight(self) -> float:
        return self.start + (self.end - self.start) * self.done

    def at(self, done: float) -> Objective:
        return Ramp(self.objective.at(done), self.start, self.end, done)

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        told = self.objective.loss(model, index, seed)
        plain = told["loss"]
        return {**told, "loss": self.weight * plain, self.name: plain.detach()}

    def asked(self) -> Any:
        return [self.objective.asked(), self.start, self.end]
