"""The command line, verb by verb, on a small net of a user's own."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from sparring.cli import app
from sparring.config import read_recipe
from sparring.core.book import entry, write_book
from sparring.measure.scorecard import Scorecard
from tests.sample import write_sample

runner = CliRunner()


def sparring(*words):
    return runner.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def bout(tmp_path_factory):
    """One run of the sample recipe: its folder, its recipe and what it printed."""
    base = tmp_path_factory.mktemp("bout")
    recipe = write_sample(base)
    result = sparring("run", recipe, "--out", base / "run")
    assert result.exit_code == 0, result.output
    return base / "run", recipe, result.output


def test_run_prints_one_table_and_writes_scorecards_weights_and_a_report(bout):
    folder, _, output = bout
    assert "standard" in output and "adversarial" in output and "95 % interval" in output
    assert "training" in output and "cost" in output  # the last column, which a narrow table would lose
    assert f"report: {folder / 'report.html'}" in output
    assert "<html" in (folder / "report.html").read_text()
    cards = {name: Scorecard.load(folder / name) for name in ("standard", "adversarial")}
    assert cards["adversarial"].seen_families == ["gradient"]
    assert cards["adversarial"].held_out_families == ["corruption", "query"]
    assert cards["standard"].clean.held > 0.9
    assert (folder / "adversarial" / "weights.safetensors").is_file()


def test_run_again_goes_on_where_it_was_and_ends_with_the_same_scorecards(bout):
    folder, recipe, _ = bout
    before = (folder / "adversarial" / "scorecard.json").read_text()
    (folder / "adversarial" / "scorecard.json").unlink()
    result = sparring("run", recipe, "--out", folder)
    assert result.exit_code == 0, result.output
    assert (folder / "adversarial" / "scorecard.json").read_text() == before


def test_measure_takes_a_file_and_flags(bout, tmp_path):
    folder, recipe, _ = bout
    target = recipe.parent / "target.py"
    result = sparring(
        "measure", f"{target}:model", "--data", f"{target}:test", "--classes", 3, "--norm", "inf", "--radius", "8/255",
        "--attack", "{use: gradient.pgd, steps: 3}", "--out", tmp_path, "--weights", folder / "adversarial" / "weights.safetensors",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    card = Scorecard.load(tmp_path)
    assert card.threat == "Linf <= 8/255 in [0, 1]"
    assert [bout.label for bout in card.bouts] == ["clean", "pgd"]
    assert card.lineage[-1].defence == "train.minimax.adversarial_training"  # it travels with the weights
    assert not card.attacks()[0].held_out
    assert (tmp_path / "report.html").is_file()


def test_measure_takes_what_no_flag_says_from_a_recipe(bout, tmp_path):
    _, recipe, _ = bout
    result = sparring("measure", "--recipe", recipe, "--radius", "0.02", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    card = Scorecard.load(tmp_path)
    assert "0.02" in card.threat and len(card.attacks()) == 3


def test_harden_writes_weights_that_measure_loads(bout, tmp_path):
    _, recipe, _ = bout
    target = recipe.parent / "target.py"
    flags = ["--classes", 3, "--norm", "inf", "--radius", "0.05"]
    result = sparring("harden", f"{target}:model", "--data", f"{target}:train", *flags, "--epochs", 2,
                      "--defence", "{use: minimax.nfgsm, validation: {use: core.validation.Validation, steps: 1}}",
                      "--out", tmp_path / "hard")  # fmt: skip
    assert result.exit_code == 0, result.output
    weights = tmp_path / "hard" / "weights.safetensors"
    assert str(weights) in result.output
    result = sparring("measure", f"{target}:model", "--data", f"{target}:test", *flags, "--attack", "gradient.fgsm",
                      "--weights", weights, "--out", tmp_path / "after")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert Scorecard.load(tmp_path / "after").lineage[-1].defence == "train.minimax.nfgsm"


def test_harden_takes_a_defence_of_a_recipe_by_its_name(bout, tmp_path):
    _, recipe, _ = bout
    result = sparring("harden", "--recipe", recipe, "--defence", "adversarial", "--epochs", 1, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "weights.safetensors").is_file()


def test_report_builds_the_page_again(bout, tmp_path):
    folder, _, _ = bout
    result = sparring("report", folder, "--out", tmp_path / "again.html")
    assert result.exit_code == 0, result.output
    assert "<html" in (tmp_path / "again.html").read_text()


def test_compare_pairs_two_scorecards_by_case(bout, tmp_path):
    folder, _, _ = bout
    result = sparring("compare", folder / "standard", folder / "adversarial", "--out", tmp_path / "pair.html")
    assert result.exit_code == 0, result.output
    assert "before" in result.output and "24" in result.output
    assert "<html" in (tmp_path / "pair.html").read_text()


def test_replay_on_the_same_target_breaks_every_case_again(bout, tmp_path):
    folder, recipe, _ = bout
    weights = folder / "standard" / "weights.safetensors"
    result = sparring("replay", folder / "standard", f"{recipe.parent / 'target.py'}:model", "--weights", weights,
                      "--out", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    card, earlier = Scorecard.load(tmp_path), Scorecard.load(folder / "standard")
    for bout_ in card.attacks():
        assert bout_.role == "replay"
        assert bout_.rate.value == 1.0
        assert bout_.rate.broken == int((earlier._bout(bout_.label).outcomes == 0).sum())


def test_replay_asks_the_case_book_of_rounds_where_there_is_one(bout, tmp_path):
    folder, recipe, _ = bout
    train = read_recipe(recipe).open_train()[:6]
    rounds = tmp_path / "run" / "rounds"
    shutil.copytree(folder / "standard", rounds)
    shutil.copy(folder / "recipe.json", rounds.parent)
    write_book(rounds, [replace(train, ids=[entry(i, 1, "pgd") for i in train.ids])])
    result = sparring("replay", rounds, f"{recipe.parent / 'target.py'}:model", "--weights",
                      folder / "standard" / "weights.safetensors", "--out", tmp_path / "again")  # fmt: skip
    assert result.exit_code == 0, result.output
    card = Scorecard.load(tmp_path / "again")
    assert card.ids == list(train.ids)
    assert [bout_.label for bout_ in card.attacks()] == ["case book"]


def test_check_passes_and_fails_by_the_limits_and_writes_junit(bout, tmp_path):
    folder, recipe, _ = bout
    passing = sparring("check", folder, "--recipe", recipe)
    assert passing.exit_code == 0, passing.output
    assert "passed  adversarial  clean" in passing.output
    failing = sparring("check", folder / "standard", "--min-clean", "0.5", "--max-broken", "0.0",
                       "--junit", tmp_path / "junit.xml")  # fmt: skip
    assert failing.exit_code == 1
    assert "FAILED  standard  broken" in failing.output
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == ["broken"]


def test_list_names_what_a_recipe_can_name():
    result = sparring("list")
    assert result.exit_code == 0, result.output
    for name in ("gradient.pgd", "minimax.adversarial_training", "autoattack", "digits"):
        assert name in result.output


def test_list_filters_by_what_the_target_offers():
    result = sparring("list", "attacks", "--target", "labelbox")
    assert "physical.corruptions" in result.output
    assert "gradient.pgd" not in result.output


def test_init_writes_a_recipe_that_runs_and_overwrites_nothing(tmp_path):
    result = sparring("init", tmp_path)
    assert result.exit_code == 0, result.output
    recipe = tmp_path / "sparring.yaml"
    quick = recipe.read_text().replace("epochs: 10", "epochs: 1").replace("suite: standard", "# ")
    (tmp_path / "target.py").write_text((tmp_path / "target.py").read_text().replace("1200:1500", "1200:1220"))
    (tmp_path / "quick.yaml").write_text(quick.replace("queries: 200", "queries: 5"))
    ran = sparring("run", tmp_path / "quick.yaml", "--out", tmp_path / "run")
    assert ran.exit_code == 0, ran.output
    again = sparring("init", tmp_path)
    assert again.exit_code == 2
    assert "would be overwritten" in again.stderr


def test_the_record_of_a_run_names_files_by_full_paths(bout):
    folder, recipe, _ = bout
    asked = json.loads((folder / "recipe.json").read_text())
    assert asked["target"] == f"{recipe.parent.resolve() / 'target.py'}:model"


def test_python_dash_m_sparring_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "sparring", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "harden" in done.stdout
