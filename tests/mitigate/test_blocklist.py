"""Blocklist: a number never seen is held back, benign replies pass within the budget, endpoints and functions too."""

from dataclasses import dataclass

import pytest

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.domains.language.phrases import Shape
from sparring.domains.language.target import Chat, Unanswered
from sparring.mitigate.blocklist import Blocklist

BENIGN = ("The sea is blue today.", "Add two eggs and stir.", "It was built in 1889.", "Sure, the answer is 12.")


class Operator(Chat):
    """Gives a made-up number, another for every question; its second sample declines."""

    def __init__(self, declines=False):
        self.declines, self.calls = declines, 0

    def reply(self, asked):
        self.calls += len(asked)
        return [self._one(one) for one in asked]

    def _one(self, one):
        if "broken line" in one.prompt:
            return Unanswered("no line")
        if "number" not in one.prompt:
            return "The sea is blue."
        if self.declines and one.messages != tuple(one):
            return "I do not know it."
        return f"Sure, the number is 555-010-{1000 + len(one.prompt)}."


def failures(count=4):
    return Cases(
        [f"c/{k}" for k in range(count)],
        [f"what is the number of shop {'x' * k}" for k in range(count)],
        [None] * count,
    )


def test_learns_the_shape_of_a_number_and_holds_back_numbers_never_seen():
    target = Operator()
    blocked = Blocklist(benign=BENIGN).harden(target, failures())
    assert blocked.phrases == (("<number>",),)
    assert blocked(["a number of another place entirely", "is the sea blue"]) == [
        Blocklist().refusal,
        "The sea is blue.",
    ]
    assert blocked.lineage[-1].notes == ("1 phrases hold back 4 of 4 failures and 0 of 4 benign texts",)


def test_draws_once_more_before_it_refuses():
    blocked = Blocklist(benign=BENIGN).harden(Operator(declines=True), failures())
    assert blocked(["what is the number"]) == ["I do not know it."]


def test_no_answer_stays_no_answer():
    blocked = Blocklist(benign=BENIGN).harden(Operator(), failures())
    assert blocked(["a broken line"]) == [Unanswered("no line")]


def test_the_meter_is_the_inner_targets_and_counts_every_sample():
    target = Operator()
    blocked = Blocklist(benign=BENIGN).harden(target, failures())
    before, calls = target.meter.forwards, target.calls
    blocked(["what is the number", "hello"])
    assert target.meter.forwards - before == target.calls - calls == 3
    assert blocked.meter is target.meter


def test_keeps_within_the_budget_of_false_alarms():
    fine = [Shape.of(text) for text in ("call me", "call you", "stay", "sit", "run")]
    failed = [Shape.of(text) for text in ("call bakers", "call the bakers now", "bakers know")]
    assert Blocklist(budget=0.0).learned(failed, fine) == [("bakers",)]
    failed = [Shape.of(text) for text in ("call one", "call two", "stay there", "stay here")]
    assert Blocklist(budget=0.0).learned(failed, fine) == []
    assert Blocklist(budget=0.2).learned(failed, fine) == [("stay",)]  # one alarm of five; call would be two
    assert set(Blocklist(budget=0.6).learned(failed, fine)) == {("stay",), ("call",)}


def test_a_phrase_of_one_failure_alone_is_no_rule():
    failed = [Shape.of(text) for text in ("red apples", "green pears")]
    assert Blocklist(budget=0.0).learned(failed, []) == []
    assert len(Blocklist(budget=0.0, support=1).learned(failed, [])) == 2


@dataclass(frozen=True)
class Mute(Target):
    def respond(self, inputs):
        return ["..."] * len(inputs)


def test_refuses_what_it_cannot_wrap_or_learn_from():
    with pytest.raises(Incompatible, match=r"mitigate\.blocklist wraps a Chat target; got Mute"):
        Blocklist(benign=BENIGN).harden(Mute(), failures())
    with pytest.raises(InvalidCases, match="learned from failures; there are none"):
        Blocklist(benign=BENIGN).harden(Operator(), failures(0))
    with pytest.raises(InvalidSpec, match=r"a budget in \[0, 1\).*got 1.0, 4, 2 and 1"):
        Blocklist(budget=1.0)


def test_two_lists_have_two_fingerprints():
    target = Operator()
    one = Blocklist(benign=BENIGN).harden(target, failures(), seed=Seed(0))
    other = Blocklist(benign=BENIGN, refusal="No.").harden(target, failures(), seed=Seed(0))
    assert len({target.fingerprint(), one.fingerprint(), other.fingerprint()}) == 3
