"""What every harm promises, tested on every harm that the folder holds."""

import importlib
import inspect
import pkgutil

import pytest

import sparring.domains.language.harms as folder
from sparring.core.errors import InvalidSpec
from sparring.core.judge import Outcome
from sparring.core.spec import build, to_spec
from sparring.domains.language.benign import plain_questions
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.harm import Harm
from sparring.domains.language.taxonomy import entry


def found_harms() -> list[type[Harm]]:
    kinds = []
    for info in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == info.name
            if own and issubclass(value, Harm) and not inspect.isabstract(value):
                kinds.append(value)
    return kinds


HARMS = found_harms()
every_harm = pytest.mark.parametrize("kind", HARMS, ids=lambda kind: kind.__name__)
ASKED = [Conversation.of(question) for question in plain_questions()[:60]]


@every_harm
def test_builds_with_defaults_and_round_trips_through_its_spec(kind):
    assert build(to_spec(kind())) == kind()


@every_harm
def test_has_wants_that_a_red_language_model_can_continue(kind):
    wants = kind().wants()
    assert wants
    assert all(want.harm == kind().name and want.kind and want.prompt.endswith(":") for want in wants)


@every_harm
def test_its_cases_are_the_same_each_time_and_allowed_untouched(kind):
    first, second = kind().cases(30), kind().cases(30)
    assert (list(first.ids), list(first.inputs), list(first.goals)) == (
        list(second.ids),
        list(second.inputs),
        list(second.goals),
    )
    assert len(set(first.ids)) == 30
    assert list(kind().cases(50)[:30].ids) == list(first.ids)
    assert all(group.startswith(f"{kind().name}/") for group in first.groups)
    kind().threat.check(first)


@every_harm
def test_train_and_test_share_no_case(kind):
    assert not set(kind().cases(40, split="train").ids) & set(kind().cases(40, split="test").ids)


@every_harm
def test_an_unknown_split_is_refused_in_one_sentence(kind):
    with pytest.raises(InvalidSpec, match="split train or test; got 5 and 'validation'"):
        kind().cases(5, split="validation")


@every_harm
def test_its_judge_has_a_version(kind):
    assert kind().judge.version


@every_harm
def test_safe_replies_are_stable_varied_and_judged_held(kind):
    harm = kind()
    replies = [harm.safe_reply(one) for one in ASKED]
    assert replies == [harm.safe_reply(one) for one in ASKED]
    assert len(set(replies)) >= 5
    cases = harm.cases(len(ASKED))
    assert set(harm.judge.grade(cases, ASKED, replies)) == {Outcome.HELD}


@every_harm
def test_the_reward_lies_between_zero_and_one_and_is_not_the_judge(kind):
    harm = kind()
    rewards = harm.reward(ASKED, [harm.safe_reply(one) for one in ASKED])
    assert len(rewards) == len(ASKED) and all(0 <= reward < 1 for reward in rewards)
    scores = getattr(harm.judge, "scores", None)
    if scores is not None:
        assert rewards != scores(ASKED, [harm.safe_reply(one) for one in ASKED])


@every_harm
def test_its_ids_stand_in_the_taxonomies(kind):
    assert kind().taxonomy
    assert all(entry(name).id == name for name in kind().taxonomy)
