"""Targets come back from their file as they were, with whatever a mitigation had put around them."""

import pytest
import torch

from sparring.core.errors import InvalidSpec
from sparring.core.target import Hardening
from sparring.domains.image.generators import Cleaner, Critic
from sparring.domains.image.guarded import Guarded
from sparring.domains.image.purified import Purified
from sparring.domains.image.saving import load_target, save_target
from sparring.domains.image.target import BlackBox, Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier

INPUTS = toy_cases().inputs


def rough(net):
    """The net with weights of its own, so that another one would answer otherwise."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return net.eval()


@pytest.mark.parametrize(
    "made",
    [
        toy_classifier(seed=3),
        Guarded(toy_classifier(seed=3), rough(Critic(1, 2)), 0.1, 0.5),
        Purified(rough(Cleaner(1, 2)), toy_classifier(seed=3), 8),
        Purified(rough(Cleaner(1, 2)), toy_classifier(seed=3), None),
    ],
    ids=["classifier", "guarded", "purified", "purified without rounding"],
)
def test_a_target_answers_after_loading_as_it_did_before_saving(made, tmp_path):
    made.lineage = (Hardening("somebody"),)
    assert save_target(made, tmp_path / "w.safetensors")
    back = load_target(toy_classifier(seed=5), tmp_path / "w.safetensors")
    assert torch.equal(back.respond(INPUTS), made.respond(INPUTS))
    assert not torch.equal(back.bare.respond(INPUTS), toy_classifier(seed=5).respond(INPUTS))
    assert back.fingerprint() == made.fingerprint()
    assert back.lineage == made.lineage


def test_refuses_weights_that_were_trained_behind_another_normalisation(tmp_path):
    inner = toy_classifier()
    save_target(Classifier(inner.module, 4, mean=(0.5,), std=(0.2,), name="toy"), tmp_path / "w.safetensors")
    with pytest.raises(
        InvalidSpec, match=r"behind another normalisation, mean and std \[\[0\.5\], \[0\.2\]\]; toy has"
    ):
        load_target(toy_classifier(), tmp_path / "w.safetensors")


def test_says_where_there_is_nothing_to_save_or_to_load_into(tmp_path):
    box = BlackBox(lambda x: x.reshape(len(x), -1)[:, :4], 4, name="box")
    assert not save_target(box, tmp_path / "w.safetensors")
    with pytest.raises(InvalidSpec, match="box has no weights to load"):
        load_target(box, tmp_path / "w.safetensors")
    with pytest.raises(InvalidSpec, match="there are no weights at"):
        load_target(toy_classifier(), tmp_path / "none.safetensors")


def test_a_detector_trained_on_the_command_line_is_measured_from_its_file(tmp_path):
    from typer.testing import CliRunner

    from sparring.cli import app

    (tmp_path / "net.py").write_text(
        "from sparring.domains.image.nets import digits_net\n\n\ndef target():\n    return digits_net()\n"
    )
    model = [f"{tmp_path}/net.py:target", "--classes", "10", "--radius", "0.1"]
    hard = ["harden", *model, "--data", "digits:train", "--out", str(tmp_path / "hard"), "--defence"]
    node = "{use: detector, epochs: 1, width: 2, attacks: [{use: gradient.fgsm}]}"
    done = CliRunner().invoke(app, [*hard, node])
    assert done.exit_code == 0, done.output
    weights = ["--weights", str(tmp_path / "hard" / "weights.safetensors")]
    asked = [
        "measure",
        *model,
        *weights,
        "--data",
        "digits:test",
        "--attack",
        "gradient.fgsm",
        "--out",
        str(tmp_path / "m"),
    ]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "detector" in done.output
