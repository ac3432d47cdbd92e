"""What every author (an attacker that is a model) promises, tested on every author that the folder holds."""

import dataclasses
import importlib
import inspect
import pkgutil

import pytest
import torch

import sparring.attack.learned
from sparring.attack.learned.supervised import Supervised
from sparring.core.attack import Author
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.schedule import Schedule
from sparring.core.spec import build, to_spec
from sparring.domains.image.toy import toy_classifier
from sparring.domains.language.threat import Prompts
from tests.attack.learned.material import Echo, Marked, asking


def found_authors() -> list[type[Author]]:
    kinds = []
    for info in pkgutil.walk_packages(sparring.attack.learned.__path__, "sparring.attack.learned."):
        for value in vars(importlib.import_module(info.name)).values():
            own = isinstance(value, type) and value.__module__ == info.name
            if own and issubclass(value, Author) and not inspect.isabstract(value):
                kinds.append(value)
    return kinds


AUTHORS = found_authors()
_SMALL = {
    "tokens": 10,
    "zero_shot": 8,
    "fewest": 4,
    "steps": 2,
    "turns": 2,
    "start": Supervised(zero_shot=8, fewest=4),
    "harms": (Marked(),),
}
every_author = pytest.mark.parametrize("kind", AUTHORS, ids=lambda kind: kind.__name__)


def small(kind: type[Author]) -> Author:
    names = {each.name for each in dataclasses.fields(kind)}
    settings = {key: value for key, value in _SMALL.items() if key in names}
    if "schedule" in names:
        settings["schedule"] = Schedule(batch=4, optimiser="adamw", peak=1e-3, weight_decay=0.0)
    return kind(red=asking(), **settings)


def test_the_families_of_the_paper_are_there():
    assert {"zero-shot", "few-shot", "supervised", "reinforce"} <= {kind.family for kind in AUTHORS}


@every_author
def test_builds_with_defaults_and_round_trips_through_its_spec(kind):
    assert build(to_spec(kind())) == kind()
    assert build(to_spec(small(kind))) == small(kind)


@every_author
def test_names_its_family_paper_differences_and_cost(kind):
    assert kind.family
    for heading in ("Paper:", "Differs:", "Cost per case:"):
        assert heading in (kind.__doc__ or ""), f"{kind.__name__} lacks {heading}"


@every_author
def test_refuses_a_target_that_does_not_chat(kind):
    with pytest.raises(Incompatible, match="needs a Chat target"):
        small(kind).write(toy_classifier(), Marked().cases(2), Prompts())


@every_author
def test_same_seed_same_script_and_another_seed_another(kind):
    cases = Marked().cases(4)
    before = torch.random.get_rng_state()
    scripts = [small(kind).write(Echo(), cases, Prompts(), seed=seed).attempts for seed in (3, 3, 4)]
    assert scripts[0] == scripts[1]
    assert scripts[0] != scripts[2] or not scripts[0]
    assert torch.equal(before, torch.random.get_rng_state())


@every_author
def test_every_attempt_is_admissible_and_no_two_are_alike(kind):
    cases = Marked().cases(6)
    attempts = small(kind).write(Echo(), cases, Prompts(), seed=1).run(Echo(), cases, Prompts())
    assert all(Prompts().admits(cases, attempts.inputs))
    written = [str(one) for one, gone in zip(attempts.inputs, attempts.refused.tolist(), strict=True) if not gone]
    assert len(set(written)) == len(written)


@every_author
def test_leaves_the_red_model_as_it_was(kind):
    attack = small(kind)
    before = {key: value.clone() for key, value in attack.red.model.state_dict().items()}
    attack.write(Echo(), Marked().cases(3), Prompts())
    after = attack.red.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], value) for key, value in after.items())
    assert not attack.red.model.training


@every_author
def test_a_workspace_gives_the_same_script_and_asks_nothing_again(kind, tmp_path):
    cases, first, second = Marked().cases(4), Echo(), Echo()
    plain = small(kind).write(Echo(), cases, Prompts(), seed=1)
    kept = small(kind).write(first, cases, Prompts(), seed=1, workspace=tmp_path)
    again = small(kind).write(second, cases, Prompts(), seed=1, workspace=tmp_path)
    assert plain.attempts == kept.attempts
    assert again.attempts == kept.attempts
    assert again.notes == kept.notes
    assert second.asked == []


@every_author
@pytest.mark.parametrize("count", [0, 1])
def test_works_on_no_case_and_on_one(kind, count):
    cases = Marked().cases(1)[:count]
    script = small(kind).write(Echo(), cases, Prompts())
    assert set(script.attempts) <= set(cases.ids)
    assert isinstance(cases, Cases)
