"""What every attack promises, tested on every attack on classifiers that the folder holds; prompt/ and learned/ have chats."""

import importlib
import inspect
import pkgutil

import pytest
import torch

import sparring.attack
from sparring.attack.compose.transfer import Transfer
from sparring.attack.untouched import Untouched
from sparring.core.attack import Attack, Author
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible
from sparring.core.seed import Seed
from sparring.core.spec import build, to_spec
from sparring.core.target import Target
from sparring.domains.image.toy import toy_cases, toy_classifier, toy_threat
from sparring.domains.language.target import Chat


def found_attacks() -> list[type[Attack]]:
    kinds = []
    for info in pkgutil.walk_packages(sparring.attack.__path__, "sparring.attack."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == info.name and issubclass(value, Attack)
            if own and not issubclass(value, Author) and not inspect.isabstract(value) and not on_chats(value):
                kinds.append(value)
    return kinds


def on_chats(kind: type[Attack]) -> bool:
    return isinstance(kind.needs_target, type) and issubclass(kind.needs_target, Chat)


ATTACKS = found_attacks()
_ON_ANOTHER_MODEL = {Transfer: "surrogate"}  # without one, it refuses to run
_SMALL = {"steps": 40, "queries": 100, "draws": 10}
every_attack = pytest.mark.parametrize("kind", ATTACKS, ids=lambda kind: kind.__name__)


def small(kind: type[Attack]) -> Attack:
    """The attack at its defaults, or with fewer steps where it counts them, so that tests stay quick."""
    if kind in _ON_ANOTHER_MODEL:
        return kind(**{_ON_ANOTHER_MODEL[kind]: toy_classifier()})
    attack = kind()
    count = getattr(attack, kind.counted, 0)
    return kind(**{kind.counted: min(count, _SMALL[kind.counted])}) if count else attack


def broken(target: Target, inputs: torch.Tensor, cases) -> torch.Tensor:
    return cases.goals.reached(target(inputs))


@every_attack
def test_builds_with_defaults_and_round_trips_through_its_spec(kind):
    assert build(to_spec(kind())) == kind()
    assert build(to_spec(small(kind))) == small(kind)


@every_attack
def test_names_its_family_paper_differences_and_cost(kind):
    assert kind.family
    for heading in ("Paper:", "Differs:", "Cost per case:"):
        assert heading in (kind.__doc__ or ""), f"{kind.__name__} lacks {heading}"


@every_attack
def test_refuses_a_target_or_threat_that_it_cannot_use(kind):
    class Mute(Target):
        def respond(self, inputs):
            return ["..."] * len(inputs)

    if kind.needs_target is Target:
        pytest.skip("any target will do")
    with pytest.raises(Incompatible, match="needs a"):
        small(kind).run(Mute(), toy_cases(2), toy_threat(kind))


@every_attack
def test_gives_the_same_result_for_the_same_seed_and_leaves_global_generators_alone(kind):
    before = torch.random.get_rng_state()
    runs = [small(kind).run(toy_classifier(), toy_cases(), toy_threat(kind), seed=Seed(3)) for _ in range(2)]
    assert torch.equal(runs[0].inputs, runs[1].inputs)
    assert torch.equal(before, torch.random.get_rng_state())


@every_attack
def test_does_not_depend_on_how_the_cases_are_split_into_batches(kind):
    target, cases, threat = toy_classifier(), toy_cases(), toy_threat(kind)
    ready = small(kind).prepare(target, cases, threat, seed=Seed(3))
    whole = ready.run(target, cases, threat, seed=Seed(3))
    parts = [ready.run(target, block, threat, seed=Seed(3)).inputs for block in cases.blocks(5)]
    assert torch.allclose(whole.inputs, torch.cat(parts), atol=1e-4)


@every_attack
def test_leaves_inputs_weights_modes_and_gradients_as_they_were(kind):
    target, cases = toy_classifier(), toy_cases()
    target.module.train()
    inputs = cases.inputs.clone()
    weights = {key: value.clone() for key, value in target.module.state_dict().items()}
    small(kind).run(target, cases, toy_threat(kind))
    assert torch.equal(cases.inputs, inputs)
    assert all(torch.equal(value, weights[key]) for key, value in target.module.state_dict().items())
    assert all(module.training for module in target.module.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in target.module.parameters())


@every_attack
def test_every_attempt_is_admissible_and_claims_are_true(kind):
    target, cases, threat = toy_classifier(), toy_cases(), toy_threat(kind)
    attempts = small(kind).run(target, cases, threat)
    assert attempts.inputs.shape == cases.inputs.shape
    assert bool(torch.as_tensor(threat.admits(cases, attempts.inputs)).all())
    assert not bool((attempts.found & ~broken(target, attempts.inputs, cases)).any())


@every_attack
def test_keeps_its_budget(kind):
    target, cases = toy_classifier(), toy_cases(4)
    attack = small(kind)
    target.meter.forwards = 0
    attack.run(target, cases, toy_threat(kind))
    assert target.meter.forwards <= attack.cost(target) * len(cases)
    if not getattr(attack, kind.counted, 0):
        return
    limit = max(attack.cost(target) // 2, type(attack)(**{kind.counted: 1}).cost(target))
    target.meter.forwards = 0
    attack.run(target, cases, toy_threat(kind), budget=Budget(forwards=limit))
    assert target.meter.forwards <= limit * len(cases)


@every_attack
@pytest.mark.parametrize("count", [0, 1])
def test_works_on_no_case_and_on_one(kind, count):
    attempts = small(kind).run(toy_classifier(), toy_cases()[:count], toy_threat(kind))
    assert len(attempts) == count


@every_attack
def test_is_never_weaker_than_leaving_the_input_alone(kind):
    target, cases, threat = toy_classifier(), toy_cases(), toy_threat(kind)
    labels = cases.goals.labels.clone()
    labels[0] = (labels[0] + 1) % 4  # one case that the target gets wrong before anybody touches it
    cases = type(cases)(cases.ids, cases.inputs, type(cases.goals)(labels))
    alone = broken(target, Untouched().run(target, cases, threat).inputs, cases)
    attacked = broken(target, small(kind).run(target, cases, threat).inputs, cases)
    assert bool((attacked | ~alone).all())


@every_attack
def test_works_at_radius_zero(kind):
    threat = toy_threat(kind)
    if not hasattr(threat, "scaled"):
        pytest.skip("this threat has no radius")
    cases = toy_cases(3)
    attempts = small(kind).run(toy_classifier(), cases, threat.scaled(0.0))
    assert torch.allclose(attempts.inputs, cases.inputs, atol=1e-6)
