"""Layers: the states are those that the model itself tells of, and a move is what it says."""

import pytest
import torch

from sparring.core.errors import Incompatible, InvalidSpec
from sparring.domains.language.layers import blocks, layer_at, layer_states, moved
from sparring.domains.language.tokens import encode
from sparring.domains.language.toy import toy_open_chat

CHAT = toy_open_chat()
TOKENS = encode(CHAT, ["hello", "a longer prompt"], ["yes", "no"])


def whole():
    told = CHAT.model.base_model(
        input_ids=TOKENS.ids, attention_mask=TOKENS.attention.long(), output_hidden_states=True
    ).hidden_states  # the last one is behind the final normalisation
    return told[0], told[1]


def test_states_are_those_of_the_whole_model_and_blocks_behind_them_are_not_computed():
    runs = []
    handle = blocks(CHAT.model)[1].register_forward_hook(lambda *_: runs.append(1))
    found = layer_states(CHAT.model, TOKENS, (0, 1))
    assert runs == []
    handle.remove()
    for state, expected in zip(found, whole(), strict=True):
        assert torch.allclose(state[TOKENS.attention], expected[TOKENS.attention], atol=1e-6)
    assert layer_states(CHAT.model, TOKENS, (1, 2))[1].shape == found[0].shape


@pytest.mark.parametrize("layer", [0, 1])
def test_a_move_is_added_to_what_the_model_holds_and_gone_afterwards(layer):
    change = torch.zeros(2, 3, 32)
    change[1, 2] = 5.0
    before = layer_states(CHAT.model, TOKENS, (0, 1, 2))
    with moved(CHAT.model, {layer: change}):
        during = layer_states(CHAT.model, TOKENS, (0, 1, 2))
    assert torch.allclose((during[layer] - before[layer])[:, :3], change, atol=1e-6)
    assert torch.equal(during[layer][:, 3:], before[layer][:, 3:])
    assert torch.equal(during[2][0], before[2][0])  # the other row, and what stands before the moved token, stay
    assert torch.equal(during[2][1, :2], before[2][1, :2])
    assert not torch.allclose(during[2][1, 2:], before[2][1, 2:], atol=1e-2)
    assert all(torch.equal(a, b) for a, b in zip(layer_states(CHAT.model, TOKENS, (0, 1, 2)), before, strict=True))


def test_depths_are_shares_of_the_blocks():
    assert [layer_at(CHAT.model, depth) for depth in (0.0, 0.3, 0.5, 1.0)] == [0, 1, 1, 2]
    with pytest.raises(InvalidSpec, match=r"in \[0, 1\]; got 1.5"):
        layer_at(CHAT.model, 1.5)


def test_refuses_a_model_without_a_list_of_blocks():
    class Flat:
        config = type("Config", (), {"num_hidden_layers": 7})()
        base_model = torch.nn.Linear(2, 2)

    with pytest.raises(Incompatible, match="Flat has no list of 7 blocks"):
        blocks(Flat())
