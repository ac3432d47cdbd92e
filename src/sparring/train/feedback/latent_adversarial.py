"""Latent adversarial training: give the safe reply though what the adversary wrote is moved inside the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.domains.language.layers import layer_at, layer_states, moved
from sparring.domains.language.target import OpenChat
from sparring.domains.language.tokens import Tokens, by_length, encode, token_log_probs, token_scores
from sparring.domains.language.tune import Objective
from sparring.train.feedback.injected import Attempted, Benign, FromInjections
from sparring.train.feedback.unlikelihood import unlikelihood

_TOKENS = 4096  # padded tokens in one forward of the target as it was


@dataclass(frozen=True, kw_only=True)
class LatentAdversarial(FromInjections):
    """At every step, PGD moves the adversary's tokens inside the model until it gives in; there it learns not to.

    Paper: Sheshadri et al., 2024, arXiv:2407.15549, section 3 (targeted LAT: toward, away and benign losses); Casper et
    al., 2024, arXiv:2403.05030, for the idea; Xhonneux et al., 2024, arXiv:2405.15589, for embeddings (a depth of 0).
    Differs: only tokens that the adversary wrote are moved; the radius is a share of their mean norm at each layer, in the
    target as it was, so one setting serves all layers and models; the search maximises the likelihood of what obeys and
    not the unlikelihood of the safe reply too; benign replies are held by a KL divergence; LoRA.
    Cost: `2 * inner_steps + 6` forwards for an attempt, and five for a benign item.
    Families: those of its templates; the moves belong to none, for no text makes them.

    Args:
        depths: where tokens are moved, as shares of the blocks before: 0 is the embeddings.
        radius: L2 norm of a token's move / mean norm of such tokens at that layer; where it is large, few steps of a share
            of it go too far and find less than in a smaller ball.
        inner_steps: gradient steps of each search.
        step_size: length of such a step / radius.
        away: weight of the unlikelihood of what obeys, beside 1 for the likelihood of the safe reply.

    Raises:
        InvalidSpec: for no depths or one outside [0, 1), a radius, `inner_steps` or step size that moves nothing, or a
            negative `away`.
    """

    depths: tuple[float, ...] = (0.0, 0.25)
    radius: float = 0.1
    inner_steps: int = 4
    step_size: float = 0.5
    away: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "depths", tuple(self.depths))
        if not self.depths or not all(0 <= depth < 1 for depth in self.depths):
            raise InvalidSpec(f"{self.name} needs depths in [0, 1), one or more; got {self.depths}.")
        if self.radius <= 0 or self.inner_steps < 1 or self.step_size <= 0 or self.away < 0:
            raise InvalidSpec(
                f"{self.name} needs a positive radius and step_size, 1 of inner_steps or more and an away of 0 or more; "
                f"got {self.radius}, {self.step_size}, {self.inner_steps} and {self.away}."
            )

    @property
    def passes(self) -> int:
        return 2 * self.inner_steps + 6

    def objective(self, chat: OpenChat, attempted: Attempted, benign: Benign) -> Objective:
        layers = tuple(sorted({layer_at(chat.model, depth) for depth in self.depths}))
        latent = Latent(chat, attempted, layers, self.radius, self.inner_steps, self.step_size, self.away)
        return self.beside(latent, chat, benign)


class Latent(Objective):
    """Mean loss of the safe reply, and unlikelihood of the one that obeys, under the worst move found.

    Args:
        chat: whose tokens these are, and whose norms the radius is a share of.
        attempted: attempts with both replies.
        layers: ascending; after so many blocks tokens are moved.
        radius, steps, step_size, away: see `LatentAdversarial`.
    """

    def __init__(
        self, chat: OpenChat, attempted: Attempted, layers: tuple[int, ...], radius: float, steps: int,
        step_size: float, away: float,
    ) -> None:  # fmt: skip
        self.layers, self.steps, self.step_size, self.away = layers, steps, step_size, away
        self.safe = encode(chat, attempted.prompts, attempted.safe)
        self.obeying = encode(chat, attempted.prompts, attempted.obeying, end=False)
        self.size, self.lengths = len(self.safe), self.safe.lengths + self.obeying.lengths
        self.place = written(self.obeying, attempted.written)
        self.radii = [radius * norm for norm in _norms(chat, self.obeying, self.place, layers)]
        self._asked = digest(
            [attempted.prompts, attempted.safe, attempted.obeying, layers, radius, steps, step_size, away]
        )

    def loss(self, model: Any, index: Tensor, seed: Seed) -> dict[str, Tensor]:
        safe, obeying = self.safe[index], self.obeying[index]
        with moved(model, self.worst(model, index, seed)):
            toward = token_log_probs(model, safe, shares=False)
            values, counted = unlikelihood(*token_scores(model, obeying, shares=False))
        toward = -(toward.sum(1) / safe.mask.to(toward.device).sum(1)).sum()
        rows = obeying.mask.nonzero()[:, 0].to(values.device)
        sums = torch.zeros(len(index), device=values.device).index_add(0, rows, values * counted)
        counts = torch.zeros(len(index), device=values.device).index_add(0, rows, counted.float())
        away = (sums / counts.clamp(min=1)).sum()
        return {"loss": toward + self.away * away, "toward": toward.detach(), "away": away.detach()}

    def worst(self, model: Any, index: Tensor, seed: Seed) -> Mapping[int, Tensor]:
        """Layer -> the move of each token that makes obeying likeliest, shape (batch, token, feature), float32.

        Projected gradient ascent from a random point of the ball; tokens that the adversary did not write stay.
        """
        obeying, place = self.obeying[index], self.place[index]
        place = place[:, : int(place.nonzero()[:, 1].max()) + 1 if bool(place.any()) else 0].to(model.device)
        moves = [
            self._start(model, index, place, layer, radius, seed)
            for layer, radius in zip(self.layers, self.radii, strict=True)
        ]
        counts = obeying.mask.sum(1).to(model.device)
        for _ in range(self.steps if bool(place.any()) else 0):
            moves = [move.requires_grad_() for move in moves]
            with torch.enable_grad(), moved(model, dict(zip(self.layers, moves, strict=True))):
                likely = (token_log_probs(model, obeying, shares=False).sum(1) / counts).sum()
                gradients = torch.autograd.grad(likely, moves)
            for k, (gradient, radius) in enumerate(zip(gradients, self.radii, strict=True)):
                uphill = gradient / gradient.norm(dim=2, keepdim=True).clamp(min=1e-20)
                moves[k] = _within(moves[k].detach() + self.step_size * radius * uphill, radius) * place[..., None]
        return {layer: move.detach() for layer, move in zip(self.layers, moves, strict=True)}

    def asked(self) -> Any:
        return self._asked

    def _start(self, model: Any, index: Tensor, place: Tensor, layer: int, radius: float, seed: Seed) -> Tensor:
        """Random directions and lengths; each item draws its own, whatever else is in the batch."""
        start = torch.zeros(*place.shape, int(model.get_input_embeddings().embedding_dim), device=place.device)
        for row, item in enumerate(index.tolist()):
            draws = seed.child("move", item, layer).generator()
            count = int(place[row].sum())
            direction = torch.nn.functional.normalize(torch.randn(count, start.shape[2], generator=draws), dim=1)
            start[row, place[row]] = (radius * torch.rand(count, 1, generator=draws) * direction).to(place.device)
        return start


def written(tokens: Tokens, spans: list[tuple[int, int]]) -> Tensor:
    """Which tokens the adversary wrote: bool, shape (batch, token).

    Args:
        tokens: prompts with continuations.
        spans: see `Attempted.written`.
    """
    ends = tokens.mask.int().argmax(1)
    far, near = torch.tensor(spans, dtype=torch.int64).unbind(1)
    place = torch.arange(tokens.ids.shape[1])[None, :]
    return (place >= (ends - far)[:, None]) & (place < (ends - near)[:, None])


def _norms(chat: OpenChat, tokens: Tokens, place: Tensor, layers: tuple[int, ...]) -> list[float]:
    """Mean L2 norm at each layer of what the adversary wrote, or of all tokens where it wrote none."""
    place = place if bool(place.any()) else tokens.attention
    sums = [0.0] * len(layers)
    with torch.no_grad():
        for index in by_length(tokens.lengths, torch.arange(len(tokens)), _TOKENS):
            part = tokens[index]
            own = place[index][:, : part.ids.shape[1]]
            for k, states in enumerate(layer_states(chat.model, part, layers)):
                sums[k] += float(states.float().norm(dim=2).cpu()[own].double().sum())
    return [total / int(place.sum()) for total in sums]


def _within(moves: Tensor, radius: float) -> Tensor:
    return moves * (radius / moves.norm(dim=2, keepdim=True).clamp(min=1e-20)).clamp(max=1)
