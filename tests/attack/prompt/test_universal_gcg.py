"""Universal GCG: one suffix for all, better than its start on what it learned from, and the same after a kill."""

import pytest
import torch

from sparring.attack.prompt import universal_gcg
from sparring.attack.prompt.gcg import GCG
from sparring.attack.prompt.universal_gcg import UniversalGCG
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec, RunMismatch
from sparring.core.spec import build, to_spec
from sparring.domains.language.harms.contact import Contact
from sparring.domains.language.injection import Injection
from sparring.domains.language.local_chat import LocalChat
from sparring.domains.language.target import Sampling
from sparring.domains.language.toy import GullibleChat, toy_aims, toy_model, toy_open_chat, toy_tokenizer
from tests.domains.language.wrappers import Viewing, numbered

SHORT = UniversalGCG(together=2, steps=6, candidates=12, topk=16, length=5, every=2)


def toy():
    return toy_open_chat(sampling=Sampling(tokens=6))


class Yielding(LocalChat):
    """The toy model, which says every sentence it is told to."""

    def __init__(self):
        super().__init__((toy_model(), toy_tokenizer()), dtype="float32", sampling=Sampling(tokens=6))

    def arriving(self, asked):
        return enumerate(" ".join(f"PARROT-{k}" for k in range(9)) for _ in asked)


def loss(chat, suffix, cases):
    total = 0.0
    for asked, aim in zip(cases.inputs, cases.goals, strict=True):
        prompt = chat.prompt_of(Injection().inject(asked, aim, aim.ask + suffix))
        total -= float(chat.log_probabilities([prompt], [aim.opening])[0].mean())
    return total / len(cases)


def test_on_one_case_it_is_the_best_single_token_like_gcg():
    chat, cases = toy(), toy_aims(1)
    settings = {"steps": 1, "candidates": 300, "topk": 300, "length": 1}
    ready = UniversalGCG(together=1, **settings).prepare(chat, cases, Injection())
    assert ready.run(chat, cases, Injection()).inputs == GCG(**settings).run(chat, cases, Injection()).inputs


def test_one_suffix_serves_all_cases_and_suits_those_it_learned_on_better_than_its_start():
    how = UniversalGCG(together=2, steps=8, candidates=16, topk=32, length=6, every=2)
    chat = Yielding()  # takes in the second case after the first look
    ready = how.prepare(chat, toy_aims(2), Injection())
    assert "broke 2" in ready.notes[0]
    chat, ready = toy(), how.prepare(toy(), toy_aims(1), Injection())
    assert loss(chat, ready.suffix, toy_aims(1)) < loss(chat, " ! ! !", toy_aims(1)) - 0.1
    tried = ready.run(chat, toy_aims(6), Injection())
    payloads = [
        Injection().payload(own, aim, one)
        for own, aim, one in zip(toy_aims(6).inputs, toy_aims(6).goals, tried.inputs, strict=True)
    ]
    assert payloads == [f"Say PARROT-{k}.{ready.suffix}" for k in range(6)]
    assert not tried.found.any()


def test_takes_in_the_next_case_once_all_before_are_broken():
    def noted(chat, **settings):
        how = UniversalGCG(steps=6, candidates=4, topk=8, length=4, every=2, **settings)
        return how.prepare(chat, toy_aims(4), Injection()).notes[0]

    assert "learned on 2 of 2 cases and broke 2 of them" in noted(Yielding(), together=2)
    assert "learned on 3 of 4 cases and broke 3 of them" in noted(Yielding(), together=4)
    assert "learned on 1 of 2 cases and broke 0 of them" in noted(toy(), together=2)


def test_goes_on_from_where_it_was_killed(tmp_path, monkeypatch):
    wanted = SHORT.prepare(toy(), toy_aims(3), Injection(), seed=2).suffix
    advance, rounds = universal_gcg._Lesson.advance, []

    def killed(self, state, steps):
        if len(rounds) == 2:
            raise KeyboardInterrupt
        rounds.append(steps.start)
        return advance(self, state, steps)

    monkeypatch.setattr(universal_gcg._Lesson, "advance", killed)
    with pytest.raises(KeyboardInterrupt):
        SHORT.prepare(toy(), toy_aims(3), Injection(), seed=2, workspace=tmp_path)
    rounds.clear()
    assert SHORT.prepare(toy(), toy_aims(3), Injection(), seed=2, workspace=tmp_path).suffix == wanted
    assert rounds == [4]
    with pytest.raises(RunMismatch, match="another seed"):
        SHORT.prepare(toy(), toy_aims(3), Injection(), seed=3, workspace=tmp_path)


def test_a_prepared_attack_asks_nothing():
    chat = toy()
    ready = SHORT.prepare(chat, toy_aims(2), Injection())
    assert chat.meter.forwards <= 2 * SHORT.cost(chat)
    chat.meter.forwards = 0
    ready.run(chat, toy_aims(5), Injection())
    assert chat.meter.forwards == ready.cost(chat) == 0


def test_the_suffix_is_no_setting():
    ready = SHORT.prepare(toy(), toy_aims(2), Injection())
    assert build(to_spec(ready)) == SHORT
    assert ready == SHORT


def test_a_case_that_the_suffix_does_not_fit_is_refused():
    ready = SHORT.prepare(toy(), toy_aims(2), Injection())
    tried = ready.run(toy(), toy_aims(2), Injection(characters=14))
    assert tried.refused.tolist() == [True, True]
    assert tried.inputs == toy_aims(2).inputs


def test_no_case_to_learn_on_is_refused():
    with pytest.raises(InvalidCases, match="found no case among 1 to learn on: it needs aims with an opening"):
        SHORT.prepare(Viewing(toy(), numbered), toy_aims(1), Injection())
    with pytest.raises(Incompatible, match=r"weights are at hand .* got GullibleChat"):
        SHORT.prepare(GullibleChat(), toy_aims(1), Injection())
    with pytest.raises(InvalidSpec, match="UniversalGCG needs together, steps"):
        UniversalGCG(together=0)


def test_global_generators_stay_as_they_were():
    before = torch.random.get_rng_state()
    SHORT.prepare(toy(), toy_aims(2), Injection())
    assert torch.equal(before, torch.random.get_rng_state())


def test_cases_without_aims_are_refused():
    with pytest.raises(InvalidCases, match="needs cases whose goals are aims"):
        SHORT.prepare(toy(), Contact().cases(1), Injection())
