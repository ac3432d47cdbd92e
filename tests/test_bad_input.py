"""What users get wrong: each ends with status 2 and one sentence, before any work is lost."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from typer.testing import CliRunner

from sparring import cli
from sparring.attack.gradient.pgd import PGD
from sparring.core import fit
from sparring.core.ball import LpBall
from sparring.core.errors import Incompatible, NotHeldOut, RunMismatch, SparringError
from sparring.core.target import Hardening
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure import store as stores
from sparring.measure.campaign import measure
from sparring.train.plain.standard import Standard
from tests.sample import write_sample

runner = CliRunner()


def complaint(*words) -> str:
    """The one sentence that a command ends with; every line break of a narrow terminal is a blank."""
    result = runner.invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def run(tmp_path, **changes) -> str:
    """What `sparring run` says to the sample recipe with some lines changed; nothing may have been trained."""
    told = complaint("run", write_sample(tmp_path, **changes), "--out", tmp_path / "run")
    assert not list((tmp_path / "run").glob("*/training.pt"))
    return told


def test_an_unknown_attack_is_refused_with_the_nearest_one(tmp_path):
    assert "Did you mean 'gradient.pgd'?" in run(tmp_path, attacks="[{use: gradient.pdg}]")
    assert "Did you mean 'gradient.pgd'?" in run(tmp_path, attacks="[{use: pgd}]")


def test_an_unknown_recipe_key_is_refused_with_the_nearest_one(tmp_path):
    assert "a recipe has no key 'thread'" in (told := run(tmp_path, thread="{}"))
    assert "Did you mean 'threa" in told


def test_an_unknown_file_is_named(tmp_path):
    assert "there is no file" in (told := run(tmp_path, target="gone.py:model"))
    assert "gone.py:model names" in told
    assert "there is no recipe 'gone.yaml'" in complaint("run", "gone.yaml")


def test_an_unknown_function_is_refused_with_the_nearest_one(tmp_path):
    assert "has no function 'modle'" in (told := run(tmp_path, target="target.py:modle"))
    assert "Did you mean 'model'?" in told
    assert "has no function 'number'" in run(tmp_path, target="target.py:number")


def test_a_file_that_cannot_be_loaded_says_why(tmp_path):
    recipe = write_sample(tmp_path)
    (tmp_path / "target.py").write_text("import gone_for_good\n")
    told = complaint("run", recipe, "--out", tmp_path / "run")
    assert "target.py cannot be loaded: ModuleNotFoundError: No module named 'gone_for_good'" in told


def test_a_function_that_returns_no_target_is_named(tmp_path):
    assert "must return a Target or a torch.nn.Module; got tuple" in run(tmp_path, target="target.py:test")


def test_a_module_without_a_number_of_classes_is_asked_for_it(tmp_path):
    assert "say how many classes it has: classes: 10 in the recipe" in run(tmp_path, classes="null")


def test_another_number_of_classes_is_named(tmp_path):
    told = run(tmp_path, classes="4")
    assert "must give logits of shape (batch, 4); got (8, 3)" in told


def test_labels_outside_the_classes_name_the_case(tmp_path):
    told = run(tmp_path, data="{train: target.py:train, test: target.py:mislabelled}")
    assert "labels must lie in 0 to 2; case target:mislabelled-2 has 3" in told


def test_inputs_outside_the_box_name_the_case(tmp_path):
    told = run(tmp_path, data="{train: target.py:train, test: target.py:bytes_}")
    assert "inputs must lie in the threat's box ([0, 1]); case target:bytes_-0 spans" in told


def test_nan_in_the_inputs_names_the_case(tmp_path):
    told = run(tmp_path, data="{train: target.py:train, test: target.py:nan}")
    assert "inputs must be finite; case target:nan-3 holds NaN" in told


def test_bad_training_cases_are_refused_too(tmp_path):
    told = run(tmp_path, data="{train: target.py:mislabelled, test: target.py:test}")
    assert "labels must lie in 0 to 2" in told


def test_empty_cases_are_refused(tmp_path):
    told = run(tmp_path, data="{train: target.py:train, test: target.py:empty}")
    assert "there are no cases: inputs are empty" in told


def test_a_negative_radius_is_refused_and_zero_is_clean_accuracy(tmp_path):
    told = run(tmp_path, threat="{use: core.ball.LpBall, norm: inf, radius: -0.1}")
    assert "radius must be zero or positive; got -0.1" in told
    target, cases = toy_classifier(), toy_cases()
    card = measure(target, cases, LpBall("inf", 0), attacks=[PGD(steps=2)])
    assert card.worst().broken == card.clean.broken == 0


def test_an_attack_that_needs_more_than_the_target_offers_is_refused(tmp_path):
    assert "gradient.pgd needs a Differentiable target; got BlackBox" in run(tmp_path, target="target.py:box")
    told = run(tmp_path, target="target.py:labels_only", attacks="[{use: query.square}]", held_out="[]")
    assert "query.square needs a Scored target; got LabelBox" in told


def test_an_attack_that_needs_another_threat_is_refused(tmp_path):
    told = run(tmp_path, attacks="[{use: physical.corruptions}]", held_out="[]")
    assert "physical.corruptions needs a Corruption threat; got LpBall" in told


def test_a_defence_that_needs_more_than_the_target_offers_is_refused(tmp_path):
    told = run(tmp_path, target="target.py:box", attacks="[{use: query.square, queries: 5}]", held_out="[]", radii="[]")
    assert "needs a Trainable target, whose weights can change; got BlackBox" in told
    assert "Wrap a torch module in Classifier" in told


def test_a_family_both_trained_on_and_held_out_is_refused(tmp_path):
    assert "gradient is held out, but the defence 'adversarial' trains on it" in run(tmp_path, held_out="[gradient]")


def test_a_target_that_trained_on_a_held_out_family_is_refused():
    target = toy_classifier()
    target.lineage = (Hardening("somewhere", ("gradient",)),)
    with pytest.raises(NotHeldOut, match="gradient is held out, but this target trained on it"):
        measure(target, toy_cases(), LpBall("inf", 0.1), attacks=[PGD()], held_out=["gradient"])


def test_a_model_that_answers_nan_is_named(tmp_path):
    assert "answered NaN or infinity on untouched cases" in run(tmp_path, target="target.py:broken")


def test_a_model_that_answers_another_batch_size_is_named(tmp_path):
    assert "was given 8 inputs and answered 4" in run(tmp_path, target="target.py:halves")


def test_a_folder_with_a_run_of_another_recipe_is_refused(tmp_path):
    changed = write_sample(tmp_path, radii="[0.05]")
    folder = tmp_path / "run"
    folder.mkdir()
    from sparring.config import read_recipe
    from sparring.run import remember

    remember(read_recipe(changed), folder)
    told = complaint("run", write_sample(tmp_path, radii="[0.1]"), "--out", folder)
    assert "holds a run of another recipe: radii differ" in told and "--out" in told


def test_a_run_continued_under_other_settings_is_refused(tmp_path):
    target, cases = toy_classifier(), toy_cases()
    measure(target, cases, LpBall("inf", 0.01), attacks=[PGD(steps=1)], workspace=tmp_path, run="mine")
    with pytest.raises(RunMismatch, match=r"run 'mine' was asked something else: .*threat.* differ"):
        measure(target, cases, LpBall("inf", 0.02), attacks=[PGD(steps=1)], workspace=tmp_path, run="mine")


def test_a_model_that_changed_under_a_started_run_is_refused_with_the_flag_to_type(tmp_path):
    recipe = write_sample(tmp_path, defences="{}", limits="{}", attacks="[{use: gradient.fgsm}]", held_out="[]")
    words = ["measure", "--recipe", str(recipe), "--out", str(tmp_path / "mine")]
    assert runner.invoke(cli.app, words).exit_code == 0
    (tmp_path / "target.py").write_text(
        (tmp_path / "target.py").read_text().replace("0.1 * torch.randn", "0.2 * torch.randn")
    )
    told = complaint(*words)
    assert "run 'measure' was asked something else: target differ" in told
    assert told.endswith("Here that is --out FOLDER.")


def test_a_training_continued_under_other_settings_is_refused(tmp_path):
    Standard(epochs=1).harden(toy_classifier(), toy_cases(40), workspace=tmp_path)
    with pytest.raises(RunMismatch, match="holds a training that was asked for something else: epochs was 1, now 2"):
        Standard(epochs=2).harden(toy_classifier(), toy_cases(40), workspace=tmp_path)


def test_a_full_disk_is_one_sentence_wherever_it_strikes(tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fit.os, "fsync", full)
        with pytest.raises(SparringError, match=r"cannot write .*training\.pt: No space left.*start the same training"):
            Standard(epochs=1).harden(toy_classifier(), toy_cases(40), workspace=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(stores, "save", full)
        patched.setattr(stores.Path, "write_bytes", full)
        with pytest.raises((SparringError, OSError), match="No space left"):
            measure(toy_classifier(), toy_cases(), LpBall("inf", 0.3), attacks=[PGD()], workspace=tmp_path)


def test_a_full_disk_on_the_command_line_ends_with_status_2(tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device", "report.html")

    recipe = write_sample(tmp_path)
    monkeypatch.setattr("sparring.run.run", full)
    told = complaint("run", recipe, "--out", tmp_path / "run")
    assert "No space left on device" in told and "type the same command again" in told


def test_missing_data_names_folders_and_download(tmp_path, monkeypatch):
    import urllib.error
    import urllib.request

    def offline(*arguments, **settings):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    told = run(tmp_path, data="{train: fashion-mnist:train, test: fashion-mnist:test}")
    for part in (tmp_path / "cache" / "sparring" / "fashion-mnist", tmp_path / "data" / "fashion-mnist"):
        assert str(part) in told
    assert "downloading https://raw.githubusercontent.com" in told and "no network" in told
    told = run(tmp_path, data="{train: cifar10-jpeg:train, test: cifar10-jpeg:test}")
    assert "there is no download for it" in told


def test_a_missing_extra_is_the_command_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    told = run(tmp_path, target="{use: image.target.hugging_face, path: somewhere}")
    assert "pip install 'sparring[hf]'" in told


def test_weights_that_would_run_code_are_refused(tmp_path):
    recipe = write_sample(tmp_path, weights="evil.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "evil.pt")
    told = complaint("run", recipe, "--out", tmp_path / "run")
    assert "could run code, so it is refused" in told and "safetensors" in told


def test_weights_for_a_target_without_any_are_refused(tmp_path):
    recipe = write_sample(tmp_path, target="target.py:box", weights="some.pt", held_out="[]")
    assert "has no weights to load" in complaint("measure", "--recipe", recipe, "--out", tmp_path / "m")


def test_measure_without_a_threat_or_cases_asks_for_them(tmp_path):
    target = f"{write_sample(tmp_path).parent / 'target.py'}:model"
    assert "there are no cases: name them with --data" in complaint("measure", target, "--norm", "inf")
    assert "name a threat: --norm inf --radius 8/255" in complaint("measure", target, "--data", "digits:test")
    told = complaint("measure", target, "--data", "digits:test", "--norm", "inf", "--radius", "much")
    assert "expected a number such as 0.1 or 8/255; got 'much'" in told
    assert "name what to work on" in complaint("measure", "--data", "digits:test", "--norm", "inf", "--radius", "0.1")
    assert "no data is called 'digts:test'" in complaint(
        "measure", target, "--data", "digts:test", "--norm", "inf", "--radius", "0.1", "--classes", 3
    )


def test_a_scorecard_that_is_not_there_or_damaged_is_named(tmp_path):
    assert "there is no scorecard at" in complaint("check", tmp_path, "--min-clean", "0.5")
    (tmp_path / "scorecard.json").write_text("{}")
    assert "this is not a scorecard" in complaint("report", tmp_path)
    assert "holds no run: there is no recipe.json in it" in complaint("replay", tmp_path / "gone", "x.py:model")


def test_check_without_limits_asks_for_one(tmp_path):
    card = measure(toy_classifier(), toy_cases(), LpBall("inf", 0.01), attacks=[PGD(steps=1)])
    card.save(tmp_path / "scorecard.json")
    assert "there is nothing to check: set --max-broken" in complaint("check", tmp_path)


def test_list_of_an_unknown_kind_names_the_known_ones():
    assert "list knows attacks, defences, harms, suites, recipes; got 'atacks'" in complaint("list", "atacks")
    assert "--target must be one of" in complaint("list", "--target", "fish")


def test_an_attack_on_a_target_of_another_kind_says_what_it_needs():
    with pytest.raises(Incompatible, match="needs a Projectable threat"):
        from sparring.domains.image.threat import Corruption

        measure(toy_classifier(), toy_cases(), Corruption(), attacks=[PGD()])


def test_ctrl_c_keeps_the_state_and_says_how_to_go_on(tmp_path):
    recipe = write_sample(tmp_path)
    recipe.write_text(recipe.read_text().replace("epochs: 4", "epochs: 100000"))
    command = [sys.executable, "-m", "sparring", "run", str(recipe), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "run" / "standard" / "training.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    told = " ".join(told.split())
    assert process.returncode == 130, told
    assert "train plain.standard stopped after step" in told or "train.plain.standard stopped after step" in told
    assert f"type the same command again: sparring run {recipe}" in told
    assert "Traceback" not in told
    assert checkpoint.exists()
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["name"] == "sample"


def test_measuring_with_a_red_team_recipe_names_the_verbs_for_it():
    told = complaint("measure", "--recipe", "smollm2", "--data", "digits:test")
    assert "smollm2 is a red-team recipe: sparring run smollm2, sparring redteam or sparring repair" in told
