"""What all trainings against injections promise: attempts of their cases' own, a target left alone, the same end again."""

import dataclasses

import pytest
import torch

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import build, check_spec, to_spec
from sparring.core.threat import AnyText
from sparring.domains.language.conversation import conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.toy import GullibleChat, toy_aims, toy_open_chat
from sparring.train.feedback.injected import _changed
from sparring.train.feedback.latent_adversarial import LatentAdversarial
from sparring.train.feedback.representation_rerouting import RepresentationRerouting
from sparring.train.feedback.safe_behaviour import SafeBehaviour
from sparring.train.feedback.secalign import SecAlign
from sparring.train.feedback.struq import StruQ
from tests.core.test_fit import Interrupting
from tests.train.feedback.obedience import FAST, SAMPLING, SHORT, divergence, in_tickets, obedient, obeys, weights

EVERY = (SafeBehaviour, StruQ, SecAlign, LatentAdversarial, RepresentationRerouting)
every_training = pytest.mark.parametrize("kind", EVERY)
ENOUGH = {"steps": 16, "schedule": FAST, "families": ("naive",), "retention": 8.0}
OWN = {RepresentationRerouting: {"retention": 20.0, "depths": (0.5, 1.0), "steps": 40}}


def chat():
    return toy_open_chat(sampling=dataclasses.replace(SAMPLING, tokens=6))


@every_training
def test_builds_from_plain_data_and_names_paper_differences_cost_and_families(kind):
    training = kind(**SHORT, families=("naive",), threat=Injection(300), benign=("hello",))
    check_spec(to_spec(training))
    assert build(to_spec(training)) == training
    for heading in ("Paper:", "Differs:", "Cost:", "Families:"):
        assert heading in kind.__doc__


@every_training
def test_learns_to_hold_on_cases_that_it_was_not_trained_on_and_keeps_the_rest(kind):
    target, new = obedient(), in_tickets(60, 84)
    before = obeys(target, new)
    assert before > 0.1
    hardened = kind(**{**ENOUGH, **OWN.get(kind, {})}).harden(target, in_tickets(10, 34))
    assert obeys(hardened, new) < before / 2
    assert divergence(target, hardened, new) < 0.15
    assert hardened(new.inputs)[:3] == target(new.inputs)[:3] == ["The ticket is open."] * 3


@every_training
def test_the_target_and_the_generators_stay_and_the_lineage_tells_what_was_done(kind):
    target, state = chat(), torch.random.get_rng_state()
    before = weights(target).clone()
    hardened = kind(**SHORT).harden(target, toy_aims(6), seed=3)
    assert torch.equal(weights(target), before)
    assert not torch.equal(weights(hardened), before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert target.lineage == ()
    assert all(weight.grad is None for weight in target.model.parameters())
    assert {key for key, _ in hardened.innermost.model.named_parameters()} == {
        key for key, _ in target.model.named_parameters()
    }
    (step,) = hardened.lineage
    assert (step.defence, step.families) == (kind(**SHORT).name, kind().families)
    assert step.seconds > 0 and step.history[0]["loss"] > 0
    assert "6 attempts on 6 cases, and 6 benign items" in step.notes[0]
    assert step.forwards == 6 * kind().passes + 3 * 6 + 2 * 6  # and of six benign items the reply and the reference
    assert kind(**SHORT).effort == step.forwards


@every_training
@pytest.mark.parametrize("after", [1, 2])
def test_a_training_stopped_after_any_step_resumes_to_the_bit_same_weights(kind, after, tmp_path):
    target, data, training = chat(), toy_aims(5), kind(**SHORT)
    straight = training.harden(target, data, seed=1)
    with pytest.raises(KeyboardInterrupt):
        training.harden(target, data, seed=1, workspace=tmp_path, progress=Interrupting(after))
    resumed = training.harden(target, data, seed=1, workspace=tmp_path)
    assert torch.equal(weights(resumed), weights(straight))
    assert not torch.equal(weights(training.harden(target, data, seed=2)), weights(straight))


def attempted(training, target, data, count, seed=0):
    return training._attempted(target, data, count, Seed(seed))


def test_attempts_are_admitted_go_round_the_families_and_belong_to_their_cases():
    target, data = toy_open_chat(), toy_aims(4)
    training = SafeBehaviour()
    made = attempted(training, target, data, 12)
    assert len(set(made.prompts)) == 12
    for asked, aim in zip(data.inputs, data.goals, strict=True):
        own = [k for k, word in enumerate(made.obeying) if word == aim.opening]
        assert len(own) == 3  # each case thrice, in three families
        plain = target.prompt_of(asked)
        for k in own:
            tokens, (far, near) = target.tokenizer.encode(made.prompts[k]), made.written[k]
            own_words = target.tokenizer.decode(tokens[len(tokens) - far : len(tokens) - near])
            assert f"Say {aim.opening}." in own_words
            assert made.prompts[k].startswith(plain[:20]) and plain[:20] not in own_words
    fewer = attempted(training, target, data[torch.tensor([0, 2])], 6)
    assert set(fewer.prompts) & set(made.prompts)  # the same templates for a case, whoever else is there


def test_what_the_adversary_wrote_is_what_two_prompts_do_not_share():
    assert _changed([1, 2, 3, 4], [1, 2, 9, 9, 3, 4]) == (4, 2)
    assert _changed([1, 2, 3], [1, 7, 3]) == (2, 1)
    assert _changed([1, 2], [1, 2]) == (0, 0)
    assert _changed([5, 5], [5, 5, 5]) == (1, 0)  # nothing is counted twice


def test_benign_items_are_the_targets_likeliest_replies_to_untouched_conversations_and_further_questions():
    target, data = toy_open_chat(sampling=dataclasses.replace(SAMPLING, temperature=1.0)), toy_aims(3)
    training = SafeBehaviour(benign=("How is the sea?",))
    benign = training._benign(target, data, 9, Seed(0))
    greedy = toy_open_chat(sampling=SAMPLING)
    asked = conversations([*data.inputs, "How is the sea?"])
    assert benign.size == 9
    assert dict(zip(benign.prompts, benign.replies, strict=True)) == {
        greedy.prompt_of(one): reply for one, reply in zip(asked, greedy(asked), strict=True)
    }
    assert len(training._benign(target, data, 2, Seed(0)).prompts) == 2


class Chatty:
    def benign(self, count):
        return conversations([f"Greeting {k}" for k in range(count)])


def test_benign_conversations_of_the_harms_are_kept_up_too():
    target, data = chat(), toy_aims(2)
    kept = SafeBehaviour(harms=(Chatty(),))._benign(target, data, 5, Seed(0)).prompts
    assert any("Greeting" in prompt for prompt in kept)
    assert len(set(kept)) == 5


def test_attempts_that_are_too_long_are_left_out_and_the_report_says_so():
    data = toy_aims(4)
    long = [one.with_text(0, "Be kind. " * 45) if k % 2 else one for k, one in enumerate(data.inputs)]
    hardened = SafeBehaviour(**SHORT).harden(chat(), Cases(data.ids, long, data.goals))
    made = int(hardened.lineage[0].notes[0].split()[0])
    assert 0 < made < 6
    assert f"{6 - made} attempts had no template or were too long" in hardened.lineage[0].notes[1]
    with pytest.raises(InvalidCases, match=r"none of 6 attempts .* window of 512 tokens .*up to 4 characters"):
        SafeBehaviour(**SHORT, threat=Injection(4)).harden(chat(), data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SafeBehaviour(share=1.0), r"a share in \[0, 1\).*got 1.0, 8.0, 8 and 24"),
        (lambda: StruQ(steps=0), "steps of 1 or more"),
        (lambda: SafeBehaviour(families=("gcg",)), "templates, whose families are naive.*got gcg"),
        (lambda: SafeBehaviour(families=()), "got none"),
        (lambda: SafeBehaviour(threat=AnyText()), "needs the threat Injection; got AnyText"),
        (lambda: SecAlign(beta=0.0), "positive beta.*got 0.0 and 1.0"),
        (lambda: LatentAdversarial(depths=(1.0,)), r"depths in \[0, 1\), one or more; got \(1.0,\)"),
        (lambda: LatentAdversarial(radius=0.0), "positive radius.*got 0.0, 0.5, 4 and 1.0"),
        (lambda: RepresentationRerouting(depths=(0.0,)), r"depths in \(0, 1\]"),
    ],
)
def test_refuses_settings_that_mean_nothing(make, message):
    with pytest.raises(InvalidSpec, match=message):
        make()


@every_training
def test_refuses_targets_without_weights_and_cases_without_aims(kind):
    with pytest.raises(Incompatible, match=r"whose weights are at hand .*got GullibleChat.*pass `innermost`"):
        kind().harden(GullibleChat(), toy_aims(2))
    data = toy_aims(2)
    bare = [dataclasses.replace(aim, safe="") for aim in data.goals]
    for bad, message in (
        (data[:0], "makes its attempts on benign conversations; there are none"),
        (Cases(data.ids, data.inputs, [None, None]), "needs cases whose goals are aims"),
        (Cases(data.ids, data.inputs, bare), "a safe reply and an opening or a proof; toy/0 lacks one"),
    ):
        with pytest.raises(InvalidCases, match=message):
            kind().harden(chat(), bad)
