"""Recipes: what they mean, and that every mistake in one is a sentence before anything is loaded."""

import re

import pytest
import torch

from sparring.config import number, open_cases, parse_recipe, read_recipe, shipped
from sparring.core.errors import InvalidCases, InvalidSpec, NotHeldOut
from sparring.train.minimax.adversarial_training import AdversarialTraining
from tests.sample import write_sample

BARE = {
    "name": "bare",
    "data": {"test": "digits:test"},
    "target": {"use": "image.nets.digits_net"},
    "classes": 10,
    "threat": {"use": "core.ball.LpBall", "norm": "inf", "radius": "8/255"},
}


@pytest.mark.parametrize("name", shipped())
def test_every_recipe_that_ships_is_sound(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.asked()["name"] == name


def test_a_recipe_survives_being_written_down_and_read_again(tmp_path):
    recipe = read_recipe(write_sample(tmp_path))
    again = parse_recipe(recipe.asked())
    assert again.asked() == recipe.asked()
    assert again.built_defences == recipe.built_defences


def test_fractions_and_exponents_are_numbers():
    recipe = parse_recipe({**BARE, "radii": ["1e-2", "4/255"]})
    assert recipe.built_threat.radius == pytest.approx(8 / 255)
    assert recipe.radii == pytest.approx([0.01, 4 / 255])
    assert number("8/255") == pytest.approx(8 / 255)


def test_a_defence_that_names_no_threat_gets_the_recipes():
    data = {"test": "digits:test", "train": "digits:train"}
    node = {"use": "minimax.adversarial_training", "attack": {"use": "gradient.pgd"}}
    recipe = parse_recipe({**BARE, "data": data, "defences": {"mine": node}})
    defence = recipe.built_defences["mine"]
    assert isinstance(defence, AdversarialTraining)
    assert defence.threat == recipe.built_threat


def test_an_attack_may_bring_a_threat_of_its_own():
    own = {"use": "physical.corruptions", "threat": {"use": "image.threat.Corruption", "severity": 2}}
    recipe = parse_recipe({**BARE, "attacks": [own, {"use": "gradient.pgd"}]})
    (attack, threat), plain = recipe.built_attacks
    assert (attack.family, threat.severity, plain.family) == ("corruption", 2, "gradient")


def test_the_standard_suite_runs_where_no_attack_is_named():
    assert parse_recipe(BARE).built_suite.name == "standard"
    assert parse_recipe({**BARE, "attacks": [{"use": "gradient.pgd"}]}).built_suite is None


def test_a_module_from_a_file_is_wrapped_and_named_after_it(tmp_path):
    target = read_recipe(write_sample(tmp_path)).open_target()
    assert (target.name, target.classes) == ("target:model", 3)


def test_cases_come_from_numpy_files(tmp_path):
    import numpy as np

    np.savez(tmp_path / "mine.npz", inputs=np.zeros((2, 1, 4, 4), np.float32), labels=np.array([0, 1]))
    assert len(open_cases("mine.npz", tmp_path)) == 2
    np.savez(tmp_path / "bad.npz", inputs=np.zeros((2, 1)))
    with pytest.raises(InvalidCases, match=r"bad\.npz must hold the arrays inputs and labels"):
        open_cases("bad.npz", tmp_path)


def test_a_numpy_file_with_pickles_inside_is_refused(tmp_path):
    import numpy as np

    np.savez(tmp_path / "evil.npz", inputs=np.array([object()]), labels=np.array([0]))
    with pytest.raises(InvalidCases, match="must hold the arrays"):
        open_cases("evil.npz", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"atacks": []}, "a recipe has no key 'atacks'; its keys are .* Did you mean 'attacks'?"),
        ({"data": {"tset": "digits:test"}}, "data has no key 'tset'.* Did you mean 'test'?"),
        ({"limits": {"as-is": {"brokn": 0.1}}}, "limits as-is has no key 'brokn'.* Did you mean 'broken'?"),
        ({"limits": {"gone": {"broken": 0.1}}}, "limits names 'gone', which is no defence here"),
        ({"limits": {"as-is": {"broken": 1.5}}}, "the limit broken is a share between 0 and 1; got 1.5"),
        ({"attacks": [{"use": "gradient.pdg"}]}, "nothing is called 'gradient.pdg'. Did you mean 'gradient.pgd'?"),
        ({"attacks": [{"use": "gradient.pgd", "step": 3}]}, "gradient.pgd takes .*; got 'step'. Did you mean 'steps'?"),
        ({"attacks": [{"use": "plain.standard"}]}, "plain.standard is no attack"),
        ({"attacks": [{"steps": 3}]}, "need a `use:`; got the keys steps"),
        ({"attacks": [{"use": "gradient.pgd", "steps": "many"}]}, "gradient.pgd refuses its settings"),
        ({"attacks": [{"use": "gradient.pgd", "steps": 0}]}, "PGD needs steps and restarts of 1 or more; got 0"),
        ({"suite": "autoatack"}, "suite must be one of autoattack, standard; got 'autoatack'"),
        ({"held_out": ["querry"], "suite": "autoattack"}, "held_out names 'querry'.* Did you mean 'query'?"),
        ({"batch": 0}, "recipe key 'batch' got 0"),
        ({"radii": ["a"]}, "recipe key 'radii.0' got 'a'"),
        ({"device": "tpu"}, "recipe key 'device' got 'tpu'"),
        ({"threat": {**BARE["threat"], "radius": -1}}, "radius must be zero or positive; got -1"),
        ({"target": "gone.py:model"}, "there is no file .*gone.py, which gone.py:model names"),
        ({"defences": {"a/b": None}}, "a defence's name becomes a folder"),
        ({"defences": {"mine": {"use": "plain.standard"}}}, "a defence needs cases to learn from"),
    ],
)
def test_every_mistake_in_a_recipe_is_one_sentence(change, message):
    with pytest.raises(InvalidSpec, match=_loose(message)):
        recipe = parse_recipe({**BARE, **change})
        _ = recipe.built_threat, recipe.built_attacks, recipe.built_defences


def test_a_missing_key_is_named():
    with pytest.raises(InvalidSpec, match="recipe key 'threat' is missing"):
        parse_recipe({key: value for key, value in BARE.items() if key != "threat"})


def test_a_family_that_is_trained_on_and_held_out_stops_the_recipe():
    data = {"test": "digits:test", "train": "digits:train"}
    node = {"use": "minimax.adversarial_training", "attack": {"use": "gradient.pgd"}}
    with pytest.raises(NotHeldOut, match="gradient is held out, but the defence 'mine' trains on it"):
        parse_recipe({**BARE, "data": data, "defences": {"mine": node}, "held_out": ["gradient"]})


def test_an_unknown_recipe_names_the_shipped_ones():
    with pytest.raises(
        InvalidSpec, match=r"there is no recipe 'digts': the shipped ones are .* Did you mean 'digits'\?"
    ):
        read_recipe("digts")


def test_yaml_that_cannot_be_read_says_where(tmp_path):
    (tmp_path / "bad.yaml").write_text("data: [1, 2\n")
    with pytest.raises(InvalidSpec, match=r"bad\.yaml is not readable YAML: .*line 2"):
        read_recipe(tmp_path / "bad.yaml")


def test_yaml_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "evil.yaml").write_text("name: !!python/object/apply:os.system [exit]\n")
    with pytest.raises(InvalidSpec, match="is not readable YAML"):
        read_recipe(tmp_path / "evil.yaml")


def test_a_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InvalidSpec, match="asks for device cuda, and torch sees none here"):
        parse_recipe({**BARE, "device": "cuda"}).open_target()


def _loose(message: str) -> str:
    """The message as a pattern in which only `.*` is special."""
    return ".*".join(re.escape(part) for part in message.split(".*"))
