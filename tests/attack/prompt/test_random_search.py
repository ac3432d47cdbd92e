"""Random search: climbs to a planted suffix, needs no weights, and never goes down."""

from dataclasses import dataclass

import pytest
import torch

from sparring.attack.prompt.hints import Hint, Openings, Replies
from sparring.attack.prompt.random_search import RandomSearch
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.domains.image.toy import toy_classifier
from sparring.domains.language.harms.contact import Contact
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat, Sampling, Unanswered
from sparring.domains.language.toy import GullibleChat, toy_aims, toy_open_chat
from tests.domains.language.wrappers import Viewing, numbered


class Lock(Chat):
    """Says one more letter of `PARROT-k` for each place of a suffix that holds a capital letter."""

    def __init__(self):
        self.asked = []

    def reply(self, asked):
        self.asked += asked
        return [self._said(one) for one in asked]

    def _said(self, asked):
        for message in asked.messages:
            if "Say PARROT-" in message.text:
                number, _, suffix = message.text.partition("PARROT-")[2].partition(".")
                return f"PARROT-{number}"[: sum(letter.isupper() for letter in suffix)] or "no"
        return "no"


@dataclass(frozen=True)
class NearM(Hint):
    """The nearer the last letter is to M, the better."""

    def readings(self, target, attempts, aims):
        return [(False, -abs(ord(one.messages[1].text[-1]) - ord("M"))) for one in attempts]


class Mute(Chat):
    def reply(self, asked):
        return [Unanswered("no connection") for _ in asked]


def likelihoods(chat, attempts, cases):
    prompts = [chat.prompt_of(chat.through(one)) for one in attempts]
    return [float(one.mean()) for one in chat.log_probabilities(prompts, [aim.opening for aim in cases.goals])]


def test_opens_a_lock_that_tells_how_many_places_are_right():
    chat, cases = Lock(), toy_aims(4)
    tried = RandomSearch(queries=400, length=12).run(chat, cases, Injection())
    assert tried.found.tolist() == [True] * 4
    assert all(aim.reached(reply) for aim, reply in zip(cases.goals, chat.reply(tried.inputs), strict=True))
    assert chat.meter.forwards < 4 * 400  # a case that is broken asks no more


def test_finds_the_best_letter_where_it_tries_them_all():
    how = RandomSearch(queries=900, length=1, every=900, hint=NearM())
    assert how.run(Lock(), toy_aims(1), Injection()).inputs[0].messages[1].text == "Say PARROT-0. M"


def test_more_queries_never_lower_the_likelihood_of_the_opening():
    chat, cases = toy_open_chat(sampling=Sampling(tokens=4)), toy_aims(2)
    runs = [RandomSearch(queries=queries, length=10).run(chat, cases, Injection()).inputs for queries in (1, 60)]
    for before, after in zip(*(likelihoods(chat, run, cases) for run in runs), strict=True):
        assert after > before + 0.1


def test_draws_belong_to_the_case():
    how, cases = RandomSearch(queries=12, length=8), toy_aims(3)
    whole = how.run(Lock(), cases, Injection(), seed=3).inputs
    assert [how.run(Lock(), cases[k : k + 1], Injection(), seed=3).inputs[0] for k in range(3)] == whole
    assert how.run(Lock(), cases, Injection(), seed=4).inputs != whole
    assert all(Injection().admits(cases, whole))


def test_each_query_changes_one_stretch_that_shrinks_to_one_character():
    chat = Lock()
    RandomSearch(queries=40, length=16, hint=Replies()).run(chat, toy_aims(1), Injection(characters=60))
    suffixes = [one.messages[1].text.partition(". ")[2] for one in chat.asked]
    assert suffixes[0] == "!" * 16
    assert all(len(suffix) == 16 for suffix in suffixes)
    assert all(" " not in suffix for suffix in suffixes)


@pytest.mark.parametrize(("chat", "more"), [(GullibleChat(), 0), (toy_open_chat(sampling=Sampling(tokens=4)), 2)])
def test_spends_what_it_says(chat, more):
    how = RandomSearch(queries=10, length=8, every=5)
    assert how.cost(chat) == 10 + more
    how.run(chat, toy_aims(2), Injection())
    assert chat.meter.forwards == 2 * how.cost(chat)
    chat.meter.forwards = 0
    how.run(chat, toy_aims(2), Injection(), budget=Budget(forwards=6))
    assert chat.meter.forwards <= 12


def test_no_answer_is_no_success_and_no_crash():
    tried = RandomSearch(queries=3).run(Mute(), toy_aims(2), Injection())
    assert not tried.found.any()
    assert not tried.refused.any()


def test_needs_no_prompt_that_shows_its_suffix():
    tried = RandomSearch(queries=3).run(
        Viewing(toy_open_chat(sampling=Sampling(tokens=2)), numbered), toy_aims(1), Injection()
    )
    assert not tried.refused.any()


def test_a_case_without_room_for_the_suffix_is_refused_and_not_asked():
    chat = Lock()
    tried = RandomSearch(queries=3, length=40).run(chat, toy_aims(2), Injection(characters=30))
    assert tried.refused.tolist() == [True, True]
    assert tried.inputs == toy_aims(2).inputs
    assert chat.asked == []


def test_misfits_are_refused():
    with pytest.raises(Incompatible, match="needs a Chat target"):
        RandomSearch().run(toy_classifier(), toy_aims(1), Injection())
    with pytest.raises(Incompatible, match="Openings needs a chat with its weights at hand"):
        RandomSearch(hint=Openings()).run(GullibleChat(), toy_aims(1), Injection())
    for setting in ({"queries": 0}, {"length": 0}, {"start": ""}, {"start": "é"}):
        with pytest.raises(InvalidSpec, match="RandomSearch needs queries, length and every of 1 or more"):
            RandomSearch(**setting)


def test_global_generators_stay_as_they_were():
    before = torch.random.get_rng_state()
    RandomSearch(queries=3).run(Lock(), toy_aims(2), Injection())
    assert torch.equal(before, torch.random.get_rng_state())


def test_cases_without_aims_are_refused():
    with pytest.raises(InvalidCases, match="needs cases whose goals are aims"):
        RandomSearch(queries=2).run(Lock(), Contact().cases(1), Injection())
