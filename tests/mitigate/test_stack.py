"""Stacks and prompts: what wraps learns from the target as it was; what is demonstrated fits and differs."""

import pytest
import torch

from sparring.attack.gradient.fgsm import FGSM
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases
from sparring.core.seed import Seed
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Unanswered
from sparring.mitigate.blocklist import Blocklist
from sparring.mitigate.detector import Detector
from sparring.mitigate.perplexity_filter import PerplexityFilter
from sparring.mitigate.prompt_augmentation import PromptAugmentation, diverse
from sparring.mitigate.purifier import Purifier
from sparring.mitigate.sandwich import Sandwich
from sparring.mitigate.stack import Stack
from sparring.train.plain.standard import Standard
from tests.mitigate.test_blocklist import BENIGN, Operator, failures


class Echo(Operator):
    """Answers with everything that it was shown."""

    def reply(self, asked):
        return [str(one) for one in asked]


def test_wrappers_of_a_stack_learn_from_the_target_as_it_was():
    stack = Stack([PromptAugmentation(demonstrations=1), Blocklist(benign=BENIGN)])
    stacked = stack.harden(Operator(), failures())
    assert [step.defence for step in stacked.lineage] == ["mitigate.prompt_augmentation", "mitigate.blocklist"]
    assert stacked(["the number of a shop"]) == [Blocklist().refusal]
    assert stack.families == ("zero-shot",)


def test_the_behaviour_and_the_demonstrations_stand_before_every_conversation():
    prompted = PromptAugmentation(behaviour="Be kind.", demonstrations=2).harden(Echo(), failures(3), seed=Seed(1))
    (shown,) = prompted([Conversation.of([("system", "Be brief."), ("user", "hello")])])
    assert shown.startswith("system: Be kind.\n\nUser: what is the number of shop")
    assert shown.endswith("Be brief.\nuser: hello")
    assert shown.count("User: ") == 4  # two failures with a safe reply, two plain questions between them
    assert shown.count("Assistant: I'm sorry") == 2


def test_demonstrations_that_do_not_fit_are_left_out():
    prompted = PromptAugmentation(behaviour="Be kind.", demonstrations=3, characters=60).harden(Echo(), failures(3))
    assert prompted.system == "Be kind."
    assert prompted.lineage[-1].notes == ("0 demonstrations in 8 characters",)


def test_demonstrations_differ_from_each_other():
    texts = ["ask a man", "ask a man", "ask a boy", "sing it now", "ask a man now"]
    assert diverse(texts, 2) == [0, 3]
    assert diverse(texts, 9) == [0, 3, 2, 4]


def test_a_stack_wants_untouched_cases_where_a_part_does():
    assert not Stack([Sandwich(), Blocklist(benign=BENIGN)]).searches
    assert Stack([Sandwich(), PerplexityFilter()]).searches


def test_a_stack_of_one_is_that_one():
    alone = Blocklist(benign=BENIGN).harden(Operator(), failures(), seed=Seed(0).child("part", 0))
    stacked = Stack([Blocklist(benign=BENIGN)]).harden(Operator(), failures())
    assert alone.fingerprint() == stacked.fingerprint()
    assert isinstance(failures(), Cases)


class Narrow(Echo):
    """Has a window of 300 characters."""

    def reply(self, asked):
        return [str(one) if len(str(one)) < 300 else Unanswered("too long") for one in asked]


def test_demonstrations_leave_room_in_the_window_for_the_longest_failure():
    prompted = PromptAugmentation(behaviour="Be kind.", demonstrations=3).harden(Narrow(), failures(3))
    assert 8 < len(prompted.system) < 300
    assert all(isinstance(text, str) for text in prompted(failures(3).inputs))


def test_a_classifier_is_trained_first_and_then_wrapped():
    ball = LpBall("inf", 0.05)
    stack = Stack([Standard(epochs=3), Purifier(ball, attacks=[FGSM()], epochs=1, width=2)])
    made = stack.harden(toy_classifier(), toy_cases(40))
    assert [step.defence for step in made.lineage] == ["train.plain.standard", "mitigate.purifier"]
    assert not torch.equal(made.bare.module[1].weight, toy_classifier().module[1].weight)
    assert stack.families == ("gradient",)


def test_every_part_is_asked_before_the_first_one_works():
    stack = Stack([Standard(epochs=1), Detector(LpBall("inf", 0.05), attacks=[FGSM()])])
    with pytest.raises(InvalidCases, match="untouched cases to set a threshold"):
        stack.refuse(toy_classifier(), toy_cases(12))
    target = toy_classifier()
    with pytest.raises(InvalidCases, match="untouched cases to set a threshold"):
        stack.harden(target, toy_cases(12))
    assert target.meter.forwards == 0
