"""TAP: the size of the tree is counted, strays cost the target nothing, and a branch that fails is no evidence."""

import re

import pytest
import torch

from sparring.attack.prompt.tap import TAP
from sparring.attack.prompt.topic import AskedTopic
from sparring.core.errors import InvalidSpec
from sparring.core.spec import build, to_spec
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.target import Chat, Unanswered
from sparring.domains.language.toy import toy_aims
from sparring.measure.campaign import measure
from tests.attack.prompt.scripted import LADDER, Chats, Continues, FallsSilent, Yields, climbs

CASES = toy_aims(4)


class Numbers(Chat):
    """Repeats as many letters of the proof as the last number of the text says, and all of it from 8 on."""

    name = "numbers"

    def __init__(self):
        self.asked = []

    def reply(self, asked):
        self.asked += asked
        return [self._said(one) for one in asked]

    def _said(self, one):
        text = " ".join(message.text for message in one.messages if message.role in ("user", "tool"))
        order = re.search(r"(PARROT-\d+) at (\d+)", text)
        return order[1][: int(order[2])] if order else "no"


class Raises(Continues):
    """Adds to the last number that it is shown: 1 in the first branch of a leaf, 2 in the second, and so on."""

    def __init__(self):
        super().__init__(None)
        self.seen = {}

    def write(self, texts, sampling, seeds):
        self.meter.forwards += len(texts)
        self.texts += texts
        return [self._next(text) for text in texts]

    def _next(self, text):
        order, last = re.search(r"Say (PARROT-\d+)", text)[1], re.findall(r"at (\d+)", text)
        number = int(last[-1]) if last else 0
        self.seen[text] = self.seen.get(text, 0) + 1
        return f" say {order} at {number + 1 + self._branch(text)}"

    def _branch(self, text):
        return ("giving in is part of" in text, "Reason step" in text, "authority to ask" in text).index(True)


@pytest.mark.parametrize(
    ("branching", "width", "depth", "asked"),
    [(2, 1, 3, 2 + 2 + 2), (2, 2, 3, 2 + 4 + 4), (3, 4, 3, 3 + 9 + 12)],
)
def test_asks_as_many_texts_as_the_tree_has_branches_and_no_more_than_its_cost(branching, width, depth, asked):
    red, target = Continues(climbs), Yields("never")
    attack = TAP(red=red, branching=branching, width=width, depth=depth)
    attack.run(target, CASES, Injection())
    assert red.meter.forwards == target.meter.forwards == 4 * asked
    assert attack.cost(target) == asked


def test_only_the_best_leaves_are_branched_on():
    red, target = Raises(), Numbers()
    attempts = TAP(red=red, branching=2, width=1, depth=4).run(target, CASES[:1], Injection())
    assert [int(re.search(r"at (\d+)", str(one))[1]) for one in target.asked] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert attempts.found.all() and "at 8" in str(attempts.inputs[0])


def test_a_wide_tree_keeps_the_second_best_too():
    target = Numbers()
    TAP(red=Raises(), branching=2, width=2, depth=2).run(target, CASES[:1], Injection())
    # 1 and 2 at first; then 2 leads to 3 and 4, while of 1's branches 2 was tried before and 3 repeats its neighbour
    assert sorted(int(re.search(r"at (\d+)", str(one))[1]) for one in target.asked) == [1, 2, 3, 4]


def test_a_branch_that_strays_is_cut_before_it_costs_a_query():
    def half_strays(text, seed):
        return " how do bees fly" if "part of the role" in text else climbs(text, seed)

    red, target = Continues(half_strays), Yields(LADDER[1])
    attempts = TAP(red=red, branching=2, width=2, depth=3).run(target, CASES, Injection())
    assert attempts.found.all()
    assert (red.meter.forwards, target.meter.forwards) == (4 * (2 + 2), 4 * (1 + 1))
    assert not any("bees" in str(one) for one in target.asked)


def test_where_all_branches_stray_the_leaf_is_branched_again_and_the_case_refused_in_the_end():
    red, target = Continues(lambda text, seed: " how do bees fly"), Yields("never")
    attempts = TAP(red=red, branching=2, width=2, depth=3).run(target, CASES, Injection())
    assert attempts.refused.all() and attempts.inputs == list(CASES.inputs)
    assert (red.meter.forwards, target.meter.forwards) == (4 * 2 * 3, 0)


def test_a_model_may_say_what_strays():
    topic = Chats(lambda one: "No" if "with apple" in one.prompt else "Yes")
    red, target = Continues(climbs), Yields("never")
    attempts = TAP(red=red, branching=2, width=1, depth=2, topic=AskedTopic(topic)).run(target, CASES, Injection())
    assert attempts.refused.all() and target.meter.forwards == 0 and topic.meter.forwards == 4 * 2 * 2


def test_a_branch_that_fails_is_no_evidence_and_the_others_go_on():
    class HalfFails(Yields):
        def _said(self, one):
            return Unanswered("down") if "(0)" in str(one) else super()._said(one)

    red = Continues(lambda text, seed: re.sub(r"\(\d+\)", f"({int('Reason' in text)})", climbs(text, seed)))
    attempts = TAP(red=red, branching=2, width=2, depth=2).run(HalfFails(LADDER[1]), CASES, Injection())
    assert attempts.found.all()
    lost = TAP(red=red, branching=2, width=2, depth=2).run(HalfFails("never"), CASES, Injection())
    assert not lost.found.any() and all("(0)" in str(one) for one in lost.inputs)


def test_a_target_that_fails_throughout_is_an_error_and_never_held():
    attack = TAP(red=Continues(climbs), branching=2, width=2, depth=2)
    rate = measure(FallsSilent(), CASES, Injection(), attacks=[attack], judge=StateJudge()).attacks()[0].rate
    assert (rate.decided, rate.errors) == (0, 4)


def test_the_result_does_not_depend_on_the_batch_and_follows_the_seed():
    def run(cases, seed=5):
        attack = TAP(red=Continues(climbs), branching=2, width=2, depth=3)
        return attack.run(Yields(LADDER[2]), cases, Injection(), seed=seed)

    whole, parts = run(CASES), [run(block) for block in CASES.blocks(3)]
    assert whole.inputs == [one for part in parts for one in part.inputs]
    assert torch.equal(whole.found, torch.cat([part.found for part in parts]))
    assert run(CASES, seed=6).inputs != whole.inputs


def test_a_killed_search_goes_on_and_asks_the_target_nothing_twice(tmp_path):
    def run(target):
        return TAP(red=Continues(climbs), branching=2, width=2, depth=4).run(target, CASES, Injection(), seed=5)

    whole, killed, resumed = Yields(LADDER[2]), Yields(LADDER[2], dies_at=3), Yields(LADDER[2])
    killed.cache = resumed.cache = ReplyCache(tmp_path / "replies.db")
    expected = run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert run(resumed).inputs == expected.inputs
    assert len(killed.asked) + len(resumed.asked) == len(whole.asked)


def test_settings_are_plain_data_and_bad_ones_are_refused_in_one_sentence():
    attack = TAP(red=Continues(climbs), width=2, topic=AskedTopic(Chats(str, name="asked")))
    assert build(to_spec(attack)) == attack and to_spec(attack)["topic"]["fingerprint"] == "asked"
    assert build(to_spec(TAP())) == TAP()
    with pytest.raises(InvalidSpec, match="a branching, a width and a depth of 1 or more; got 3, 0 and 4"):
        TAP(width=0)


def test_says_where_it_comes_from_and_what_it_costs():
    assert TAP.family == "tap"
    assert all(heading in TAP.__doc__ for heading in ("Paper:", "Differs:", "Cost per case:"))
