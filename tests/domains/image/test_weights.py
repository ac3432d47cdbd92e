"""Weights come back as they were written, and nothing that runs code is ever loaded."""

import os
import re

import pytest
import torch
from torch import nn

from sparring.core.errors import InvalidSpec, SparringError, UnsafeWeights
from sparring.core.panel import Panel
from sparring.core.target import Hardening
from sparring.domains.image import weights
from sparring.domains.image.nets import digits_net
from sparring.domains.image.weights import load_weights, save_weights


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_weights_and_lineage_come_back_from_safetensors(tmp_path):
    history, panels = ({"epoch": 0.0, "loss": 1.0},), (Panel("a picture", png="abcd"),)
    lineage = (Hardening("plain.standard", ("gradient",), 1.5, 7, ("a note",), history, panels),)
    save_weights(digits_net(1), tmp_path / "deep" / "net.safetensors", lineage)
    net = digits_net(2)
    found = load_weights(net, tmp_path / "deep" / "net.safetensors")
    assert equal(net, digits_net(1))
    assert found == lineage
    assert (found[0].history, found[0].panels) == (history, panels)


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}]
)
def test_torch_files_of_tensors_load_however_a_training_script_wrapped_them(tmp_path, wrap):
    torch.save(wrap(digits_net(1).state_dict()), tmp_path / "net.pt")
    net = digits_net(2)
    assert load_weights(net, tmp_path / "net.pt") == ()
    assert equal(net, digits_net(1))


def test_weights_that_two_layers_share_come_back(tmp_path):
    def tied() -> nn.Module:
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    first, second = tied(), tied()
    save_weights(first, tmp_path / "net.safetensors")
    load_weights(second, tmp_path / "net.safetensors")
    assert equal(first, second)


class Bomb:
    """Pickles to a command that leaves a trace when it is loaded."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_a_file_that_would_run_code_is_refused_with_the_way_to_convert_it(tmp_path):
    torch.save({"weights": Bomb(tmp_path / "exploded")}, tmp_path / "net.pt")
    with pytest.raises(UnsafeWeights, match=r"could run code, so it is refused.*convert it once: python -c"):
        load_weights(digits_net(), tmp_path / "net.pt")
    assert not (tmp_path / "exploded").exists()


def test_a_whole_pickled_module_is_refused_and_the_printed_command_converts_it(tmp_path):
    torch.save(digits_net(1), tmp_path / "net.pt")
    with pytest.raises(UnsafeWeights) as caught:
        load_weights(digits_net(), tmp_path / "net.pt")
    exec(re.search(r'python -c "(.*)"', str(caught.value))[1])
    net = digits_net(2)
    load_weights(net, tmp_path / "net.safetensors")
    assert equal(net, digits_net(1))


def test_says_which_weights_do_not_fit(tmp_path):
    save_weights(nn.Linear(2, 2), tmp_path / "other.safetensors")
    with pytest.raises(InvalidSpec, match=r"does not fit Sequential: it lacks 0\.weight.*; it adds bias, weight"):
        load_weights(digits_net(), tmp_path / "other.safetensors")


def test_says_that_there_is_no_file(tmp_path):
    with pytest.raises(InvalidSpec, match=r"there are no weights at .*gone\.pt"):
        load_weights(digits_net(), tmp_path / "gone.pt")


def test_a_broken_safetensors_file_is_named(tmp_path):
    (tmp_path / "net.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InvalidSpec, match="is not a safetensors file of weights"):
        load_weights(digits_net(), tmp_path / "net.safetensors")


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_model", full)
    with pytest.raises(SparringError, match=r"cannot write .*net\.safetensors.*No space left.*run the same command"):
        save_weights(digits_net(), tmp_path / "net.safetensors")
