"""Latent adversarial training: the search stays in its ball, beats noise, and moves what the adversary wrote alone."""

import math

import pytest
import torch

from sparring.core.seed import Seed
from sparring.domains.language.layers import layer_states, moved
from sparring.domains.language.tokens import token_log_probs
from sparring.domains.language.toy import toy_open_chat
from sparring.train.feedback.injected import Attempted
from sparring.train.feedback.latent_adversarial import Latent, written
from sparring.train.feedback.unlikelihood import Unlikely

PROMPTS = ["ticket 1 is open. say A now", "ticket 2: say BB now"]
MADE = Attempted(PROMPTS, ["It is open.", "no"], ["PARROT", "KEA"], [(9, 4), (10, 4)])
ALL = torch.arange(2)


def latent(layers=(0, 1), radius=0.5, steps=4, step_size=0.5, away=1.0, made=MADE):
    chat = toy_open_chat()
    return chat.model, Latent(chat, made, layers, radius, steps, step_size, away)


def likely(model, lesson, moves):
    with torch.no_grad(), moved(model, moves):
        return token_log_probs(model, lesson.obeying, shares=False).sum(1)


def test_what_the_adversary_wrote_is_where_the_span_says():
    chat, lesson = toy_open_chat(), latent()[1]
    for row, expected in enumerate(["say A", "say BB"]):
        assert chat.tokenizer.decode(lesson.obeying.ids[row][lesson.place[row]]) == expected
    assert torch.equal(written(lesson.safe, MADE.written)[:, :20], lesson.place[:, :20])


def test_the_radius_is_a_share_of_the_mean_norm_of_these_tokens_at_each_layer():
    model, lesson = latent(radius=0.25)
    for layer, radius in zip(lesson.layers, lesson.radii, strict=True):
        states = layer_states(model, lesson.obeying, (layer,))[0].detach()
        norms = [float(states[row, k].norm()) for row, k in lesson.place.nonzero().tolist()]
        assert radius == pytest.approx(0.25 * math.fsum(norms) / len(norms), rel=1e-5)


@pytest.mark.parametrize("step_size", [0.5, 3.0])
def test_moves_stay_in_the_ball_and_off_what_the_adversary_did_not_write(step_size):
    model, lesson = latent(step_size=step_size)
    moves = lesson.worst(model, ALL, Seed(0))
    for layer, radius in zip(lesson.layers, lesson.radii, strict=True):
        lengths = moves[layer].norm(dim=2)
        place = lesson.place[:, : lengths.shape[1]]
        assert float(lengths.max()) <= radius * (1 + 1e-5)
        assert float(lengths[place].min()) > 0.5 * radius
        assert not bool(lengths[~place].any())


def test_the_search_beats_no_move_and_noise_of_the_same_length():
    model, lesson = latent()
    moves = lesson.worst(model, ALL, Seed(0))
    found, untouched = likely(model, lesson, moves), likely(model, lesson, {})
    draws = torch.Generator().manual_seed(1)
    for _ in range(10):
        noise = {
            layer: move.norm(dim=2, keepdim=True)
            * torch.nn.functional.normalize(torch.randn(move.shape, generator=draws), dim=2)
            for layer, move in moves.items()
        }
        assert bool((found > likely(model, lesson, noise) + 1).all())
    assert bool((found > untouched + 1).all())


def test_one_step_from_the_middle_goes_along_the_gradient():
    model, lesson = latent(layers=(0,), steps=1, step_size=1.0)
    lesson._start = lambda model, index, place, *_: torch.zeros(*place.shape, 32)
    (move,) = lesson.worst(model, ALL, Seed(0)).values()
    row, k, near = 0, int(lesson.place[0].nonzero()[0]), 1e-2
    slopes = []
    for feature in range(32):
        ahead, behind = torch.zeros(2, 2, k + 1, 32)
        ahead[row, k, feature], behind[row, k, feature] = near, -near
        slopes.append(float(likely(model, lesson, {0: ahead})[row] - likely(model, lesson, {0: behind})[row]))
    uphill = torch.nn.functional.normalize(torch.tensor(slopes), dim=0)
    assert float(uphill @ move[row, k] / lesson.radii[0]) == pytest.approx(1.0, abs=1e-2)


def test_a_move_is_the_items_own_whatever_else_is_in_the_batch():
    model, lesson = latent(steps=1)
    together = lesson.worst(model, ALL, Seed(0))
    for k in range(2):
        alone = lesson.worst(model, torch.tensor([k]), Seed(0))
        for layer in lesson.layers:
            width = alone[layer].shape[1]
            assert torch.allclose(alone[layer][0], together[layer][k, :width], atol=1e-4)


def test_the_loss_is_likelihood_of_the_safe_reply_and_unlikelihood_of_the_other_under_the_move():
    model, lesson = latent(away=0.5)
    moves = lesson.worst(model, ALL, Seed(0))
    plain = Unlikely(toy_open_chat(), PROMPTS, MADE.obeying)
    found = lesson.loss(model, ALL, Seed(0))
    with torch.no_grad(), moved(model, moves):
        safe = token_log_probs(model, lesson.safe, shares=False)
        toward = float(-(safe.sum(1) / lesson.safe.mask.sum(1)).sum())
    apart = []
    for k in range(2):
        own = {layer: move[k : k + 1] for layer, move in moves.items()}
        with torch.no_grad(), moved(model, own):
            apart.append(float(plain.loss(model, torch.tensor([k]), Seed(0))["loss"]))
    assert float(found["toward"]) == pytest.approx(toward, rel=1e-4)
    assert float(found["away"]) == pytest.approx(sum(apart), rel=1e-4)
    assert float(found["loss"].detach()) == pytest.approx(toward + 0.5 * sum(apart), rel=1e-4)


def test_where_nothing_was_written_nothing_is_moved():
    model, lesson = latent(made=Attempted(PROMPTS, MADE.safe, MADE.obeying, [(0, 0), (0, 0)]))
    assert all(move.numel() == 0 for move in lesson.worst(model, ALL, Seed(0)).values())
    assert float(lesson.loss(model, ALL, Seed(0))["loss"].detach()) > 0
