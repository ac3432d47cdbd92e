import math
from collections import Counter

import pytest

from sparring.attack.learned.few_shot import FewShot, drawn_by_reward
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.threat import Prompts
from tests.attack.learned.material import Echo, Marked, Writer, numbered_question


def test_examples_are_drawn_in_proportion_to_the_exponential_of_reward_over_temperature():
    rewards, temperature, draws = [0.0, 0.1, 0.2], 0.1, 4000
    first = Counter(drawn_by_reward(rewards, 2, temperature, Seed(k))[0] for k in range(draws))
    total = sum(math.exp(r / temperature) for r in rewards)
    for k, reward in enumerate(rewards):
        share = math.exp(reward / temperature) / total
        assert first[k] / draws == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / draws))


def test_temperature_matters_as_it_would_not_if_the_reward_were_logged():
    hot = Counter(drawn_by_reward([0.1, 0.9], 1, 10.0, Seed(k))[0] for k in range(300))
    cold = Counter(drawn_by_reward([0.1, 0.9], 1, 0.01, Seed(k))[0] for k in range(300))
    assert cold[1] == 300
    assert 100 < hot[1] < 200


def test_examples_are_drawn_without_replacement():
    assert sorted(drawn_by_reward([0.5] * 5, 5, 0.1, Seed(0))) == [0, 1, 2, 3, 4]
    assert len(drawn_by_reward([0.5] * 3, 5, 0.1, Seed(0))) == 3


def canary_question(text, seed):
    """One question in three holds the canary; after examples that hold it, every question does."""
    holds = "canary" in text or seed.value % 3 == 0
    return f" what {'canary ' if holds else 'else '}{seed.value % 10**6}?"


def test_questions_shown_are_those_of_large_reward_and_lift_the_rate():
    red, target = Writer(canary_question), Echo()
    attack = FewShot(red, harms=Marked(), zero_shot=60, temperature=0.01)
    script = attack.write(target, Marked().cases(20), Prompts(), seed=0)
    shown = [text for text in red.texts if "\n5. " in text]
    assert shown and all("\n1. " in text and text.endswith("\n6.") and "canary" in text for text in shown)
    assert all("canary" in text for text in script.attempts.values())
    assert len(target.asked) == 60  # each question of the pool once, and no case before the campaign
    assert not set(script.attempts.values()) & set(target.asked)


def test_each_harm_shows_its_own_questions():
    red = Writer(lambda text, seed: f" what {'first' if 'first' in text else 'second'} {seed.value % 10**6}?")
    harms = [Marked("first"), Marked("second")]
    from sparring.domains.language.harm import joined_cases

    cases = joined_cases([harm.cases(4) for harm in harms], "test")
    script = FewShot(red, harms=harms, zero_shot=12).write(Echo(), cases, Prompts(), seed=0)
    assert all(i.split("/")[0] in text for i, text in script.attempts.items())
    with pytest.raises(InvalidSpec, match="was not given second"):
        FewShot(red, harms=harms[0], zero_shot=12).write(Echo(), cases, Prompts(), seed=0)


def test_all_attacks_of_a_campaign_learn_from_the_same_pool():
    red = Writer(numbered_question)
    pools = []
    for seed in (1, 2):
        target = Echo()
        FewShot(red, harms=Marked(), zero_shot=12).write(target, Marked().cases(2), Prompts(), seed=seed)
        pools.append(target.asked)
    assert pools[0] == pools[1]


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidSpec, match="positive temperature"):
        FewShot(temperature=0)
