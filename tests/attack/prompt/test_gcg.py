"""GCG: finds the best token where it can try all, never gets worse, and knows what wrappers make of its suffix."""

import re

import pytest
import torch

from sparring.attack.prompt.gcg import GCG, Hunt
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible, InvalidCases
from sparring.core.seed import Seed
from sparring.core.target import Hardening
from sparring.domains.language.harms.contact import Contact
from sparring.domains.language.injection import Injection
from sparring.domains.language.local_chat import LocalChat
from sparring.domains.language.networks import network
from sparring.domains.language.suffix import plain_tokens, slot_of
from sparring.domains.language.target import Sampling
from sparring.domains.language.threat import Prompts
from sparring.domains.language.toy import GullibleChat, toy_aims, toy_model, toy_open_chat, toy_tokenizer
from sparring.mitigate.prompt_augmentation import Prompted
from tests.domains.language.wrappers import Viewing, doubled, marked, numbered

SHORT = GCG(steps=4, candidates=12, topk=16, length=5, every=2)


def toy():
    return toy_open_chat(sampling=Sampling(tokens=6))


def likelihoods(chat, attempts, aim):
    """Mean log probability of the aim's opening behind each attempt, by a full forward over its text."""
    prompts = [chat.innermost.prompt_of(chat.through(one)) for one in attempts]
    return [float(one.mean()) for one in chat.innermost.log_probabilities(prompts, [aim.opening] * len(attempts))]


def likelihood(chat, attempt, aim):
    return likelihoods(chat, [attempt], aim)[0]


class Yielding(LocalChat):
    """The toy model, which gives in as soon as a suffix holds another letter than its start."""

    def __init__(self):
        super().__init__((toy_model(), toy_tokenizer()), dtype="float32", sampling=Sampling(tokens=6))
        self.asked = 0

    def arriving(self, asked):
        self.asked += len(asked)
        texts = ["\n".join(message.text for message in one.messages) for one in asked]
        return enumerate("PARROT-0 PARROT-1" if re.search(r"PARROT-\d\.[ !]*[^ !\n]", text) else "no" for text in texts)


def test_finds_the_best_token_where_it_tries_them_all():
    chat, cases, threat = toy(), toy_aims(2), Injection()
    tried = GCG(steps=1, candidates=300, topk=300, length=1).run(chat, cases, threat)
    letters = [chat.tokenizer.decode([k]) for k in plain_tokens(chat).nonzero().squeeze(1).tolist()]
    for k, attempt in enumerate(tried.inputs):
        aim = cases.goals[k]
        every = likelihoods(chat, [threat.inject(cases.inputs[k], aim, aim.ask + letter) for letter in letters], aim)
        assert likelihood(chat, attempt, aim) == pytest.approx(max(every), abs=1e-5)
        assert every.count(max(every)) == 1


def test_the_loss_never_rises_and_is_that_of_the_attempts_own_text():
    chat, cases = toy(), toy_aims(2)
    how = GCG(steps=12, candidates=16, topk=32, length=6)
    slot = slot_of(chat, cases[:1], Injection())
    hunt = Hunt(slot, slot.start("!", 6), plain_tokens(chat), Seed(0).stream(["toy/0"]))
    before = likelihood(chat, hunt.attempt, slot.aim)
    hunt.advance(how, network(chat.model), range(12))
    assert len(hunt.losses) == 12
    assert all(later <= earlier for earlier, later in zip(hunt.losses, hunt.losses[1:], strict=False))
    assert -likelihood(chat, hunt.attempt, slot.aim) == pytest.approx(hunt.losses[-1], abs=1e-4)
    assert hunt.losses[-1] < -before - 0.1


def test_the_steps_may_be_cut_anywhere():
    chat = toy()
    whole, parts = (
        GCG(steps=6, candidates=8, topk=16, length=4, every=every).run(chat, toy_aims(2), Injection())
        for every in (6, 2)
    )
    assert whole.inputs == parts.inputs


def test_stops_once_the_targets_own_reply_reaches_the_aim():
    chat = Yielding()
    tried = GCG(steps=40, candidates=12, topk=16, length=5, every=1).run(chat, toy_aims(2), Injection())
    assert tried.found.tolist() == [True, True]
    assert chat.asked == 2
    assert chat.meter.forwards == 2 * (1 + 1 + 12 + 1)  # one step: the prompt, a gradient, its candidates, a reply


def test_claims_nothing_that_the_target_did_not_say():
    assert SHORT.run(toy(), toy_aims(2), Injection()).found.tolist() == [False, False]


def test_every_attempt_is_admitted_and_no_batch_changes_it():
    cases, threat = toy_aims(2), Injection(characters=40)
    whole = SHORT.run(toy(), cases, threat, seed=3)
    assert all(threat.admits(cases, whole.inputs))
    assert [SHORT.run(toy(), cases[k : k + 1], threat, seed=3).inputs[0] for k in range(2)] == whole.inputs
    assert SHORT.run(toy(), cases, threat, seed=4).inputs != whole.inputs


@pytest.mark.parametrize("replace", [1, 2])
def test_spends_what_it_says(replace):
    chat, cases = toy(), toy_aims(2)
    how = GCG(steps=4, candidates=12, topk=16, length=5, every=2, replace=replace)
    how.run(chat, cases, Injection())
    assert chat.meter.forwards <= 2 * how.cost(chat) == 2 * (4 * 13 + 2 * 2)
    assert chat.meter.forwards >= 2 * (4 * 12 + 2 * 2 + 2)
    assert 2 * 2 <= chat.meter.input_backwards <= 2 * 4
    chat.meter.forwards = 0
    how.run(chat, cases, Injection(), budget=Budget(forwards=30))
    assert chat.meter.forwards <= 60


def test_knows_a_wrappers_prompt():
    chat = Prompted(toy(), "Obey nobody.", Hardening("prompted"))
    cases, how = toy_aims(1), GCG(steps=1, candidates=300, topk=300, length=1)
    wrapped, bare = (how.run(target, cases, Injection()).inputs[0] for target in (chat, chat.inner))
    assert likelihood(chat, wrapped, cases.goals[0]) >= likelihood(chat, bare, cases.goals[0])
    assert wrapped != bare


@pytest.mark.parametrize("change", [numbered, doubled])
def test_a_case_whose_suffix_a_wrapper_hides_or_repeats_is_refused(change):
    cases = toy_aims(2)
    tried = SHORT.run(Viewing(toy(), change), cases, Injection())
    assert tried.refused.tolist() == [True, False]  # the wrapper leaves tickets alone
    assert tried.inputs[0] == cases.inputs[0]


def test_where_spaces_are_marked_the_suffix_has_none():
    chat = Viewing(toy(), marked)
    tried = SHORT.run(chat, toy_aims(1), Injection())
    assert not tried.refused.any()
    assert " " not in tried.inputs[0].messages[1].text.removeprefix("Say PARROT-0.")


def test_a_case_without_room_for_a_suffix_is_refused():
    assert SHORT.run(toy(), toy_aims(2), Injection(characters=14)).refused.tolist() == [True, True]


def test_leaves_weights_modes_and_gradients_as_they_were():
    chat, before = toy(), torch.random.get_rng_state()
    weights = {name: weight.clone() for name, weight in chat.model.state_dict().items()}
    SHORT.run(chat, toy_aims(1), Injection())
    assert all(torch.equal(weight, weights[name]) for name, weight in chat.model.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in chat.model.parameters())
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_chat_without_weights_and_a_threat_without_a_place_are_refused():
    with pytest.raises(Incompatible, match=r"weights are at hand .* got GullibleChat"):
        SHORT.run(GullibleChat(), toy_aims(1), Injection())
    with pytest.raises(Incompatible, match="needs a Injection threat; got Prompts"):
        SHORT.run(toy(), toy_aims(1), Prompts())


def test_cases_without_aims_are_refused():
    with pytest.raises(InvalidCases, match="needs cases whose goals are aims"):
        SHORT.run(toy(), Contact().cases(1), Injection())
