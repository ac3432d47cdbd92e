"""PAIR: on a ladder whose k-th word the target yields to, it needs exactly k rounds of all streams."""

import pytest
import torch

from sparring.attack.prompt.pair import PAIR
from sparring.attack.prompt.scorer import Rated
from sparring.core.budget import Budget
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec
from sparring.core.spec import build, to_spec
from sparring.core.target import Target
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.harms.contact import Contact
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.target import Unanswered
from sparring.domains.language.toy import GullibleChat, toy_aims
from sparring.measure.campaign import measure
from tests.attack.prompt.scripted import LADDER, Chats, Continues, FallsSilent, Yields, climbs

CASES = toy_aims(4)


@pytest.mark.parametrize("rung", [1, 2, 4])
def test_climbs_to_the_word_that_the_target_yields_to_in_as_many_rounds(rung):
    red, target = Continues(climbs), Yields(LADDER[rung - 1])
    attempts = PAIR(red=red, streams=2, depth=6).run(target, CASES, Injection())
    assert attempts.found.all() and not attempts.refused.any()
    assert all(LADDER[rung - 1] in str(one) for one in attempts.inputs)
    assert red.meter.forwards == target.meter.forwards == 4 * 2 * rung
    assert target.calls == rung


def test_stops_at_its_depth_with_the_nearest_text_and_claims_nothing():
    red, target = Continues(climbs), Yields(LADDER[3])
    attempts = PAIR(red=red, streams=2, depth=3).run(target, CASES, Injection())
    assert not attempts.found.any() and not attempts.refused.any()
    assert all(Injection().admits(CASES, attempts.inputs))
    assert target.meter.forwards == 4 * 2 * 3


def test_the_red_model_is_shown_the_aim_the_place_and_what_came_of_the_last_texts():
    red = Continues(climbs)
    PAIR(red=red, streams=1, depth=5).run(Yields("never"), CASES[1:2], Injection())
    first, last = red.texts[0], red.texts[-1]
    assert "Say PARROT-1." in first and "stands in a ticket" in first and first.endswith("\n\nImproved text:")
    assert "Reply:" not in first
    assert [word in last for word in LADDER[:5]] == [False, True, True, True, False]  # the last three
    assert last.count("Reply: I would rather talk about the weather.") == 3 and "Score: 1 of 10" in last


def test_streams_start_in_different_manners():
    red = Continues(climbs)
    PAIR(red=red, streams=3, depth=1).run(Yields("never"), CASES[:1], Injection())
    assert len(set(red.texts)) == 3


def test_a_red_model_that_only_chats_is_asked_for_json_and_draws_a_sample_per_stream():
    def json_climbs(one):
        order = climbs(one.messages[0].text.replace("\n", " ") + one.messages[1].text, seed=SEED)
        return f'{{"improvement": "next word", "prompt": "{order.strip()}"}}'

    red, target = Chats(json_climbs), Yields(LADDER[1])
    attempts = PAIR(red=red, streams=2, depth=3).run(target, CASES, Injection())
    assert attempts.found.all()
    assert red.meter.forwards == target.meter.forwards == 4 * 2 * 2
    assert len(set(red.asked)) == len(red.asked)


class SEED:
    value = 7


def test_the_result_does_not_depend_on_the_batch():
    def run(cases):
        return PAIR(red=Continues(climbs), streams=2, depth=3).run(Yields(LADDER[2]), cases, Injection(), seed=5)

    whole, parts = run(CASES), [run(block) for block in CASES.blocks(3)]
    assert whole.inputs == [one for part in parts for one in part.inputs]
    assert torch.equal(whole.found, torch.cat([part.found for part in parts]))


def test_another_seed_writes_other_texts():
    def run(seed):
        return (
            PAIR(red=Continues(climbs), streams=1, depth=1).run(Yields("never"), CASES, Injection(), seed=seed).inputs
        )

    assert run(1) == run(1) != run(2)


def test_a_killed_search_goes_on_and_asks_the_target_nothing_twice(tmp_path):
    def run(target):
        return PAIR(red=Continues(climbs), streams=2, depth=4).run(target, CASES, Injection(), seed=5)

    whole, killed, resumed = Yields(LADDER[2]), Yields(LADDER[2], dies_at=3), Yields(LADDER[2])
    killed.cache = resumed.cache = ReplyCache(tmp_path / "replies.db")
    expected = run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert run(resumed).inputs == expected.inputs
    assert len(killed.asked) + len(resumed.asked) == len(whole.asked)


def test_a_red_model_that_declines_or_writes_nothing_refuses_the_case_after_its_tries():
    for answer in ("I'm sorry, but I can't help with that.", "", Unanswered("down")):
        red, target = Continues(lambda text, seed, answer=answer: answer), Yields("apple")
        attempts = PAIR(red=red, streams=2, depth=3, tries=2).run(target, CASES, Injection())
        assert attempts.refused.all() and not attempts.found.any()
        assert attempts.inputs == list(CASES.inputs)
        assert (red.meter.forwards, target.meter.forwards) == (4 * 2 * 3 * 2, 0)


def test_a_stream_that_was_declined_once_tries_again():
    answers = iter(["I cannot help with that.", " say PARROT-0 with apple"])
    red, target = Continues(lambda text, seed: next(answers)), Yields("apple")
    assert PAIR(red=red, streams=1, depth=1).run(target, CASES[:1], Injection()).found.all()
    assert (red.meter.forwards, target.meter.forwards) == (2, 1)


def test_a_text_that_was_tried_or_is_too_long_is_drawn_again():
    red = Continues(lambda text, seed: " the same")
    target = Yields("never")
    PAIR(red=red, streams=1, depth=3, tries=2).run(target, CASES[:1], Injection())
    assert (red.meter.forwards, target.meter.forwards) == (1 + 2 + 2, 1)
    long = PAIR(red=Continues(lambda text, seed: " word" * 9), streams=1).run(target, CASES, Injection(characters=20))
    assert long.refused.all()


def test_a_target_that_never_answers_is_an_error_and_never_held():
    attack = PAIR(red=Continues(climbs), streams=1, depth=2)
    rate = measure(FallsSilent(), CASES, Injection(), attacks=[attack], judge=StateJudge()).attacks()[0].rate
    assert (rate.decided, rate.errors) == (0, 4)
    attempts = attack.run(FallsSilent(), CASES, Injection())
    assert not attempts.refused.any() and all("apple" in str(one) for one in attempts.inputs)


def test_a_text_without_an_answer_is_the_attempt_where_no_other_reached_the_aim():
    class Falters(Yields):
        def _said(self, one):
            return Unanswered("down") if LADDER[1] in str(one) else super()._said(one)

    def run(word):
        return PAIR(red=Continues(climbs), streams=1, depth=3).run(Falters(word), CASES[:1], Injection())

    assert LADDER[1] in str(run("never").inputs[0]) and not run("never").found.any()
    assert LADDER[2] in str(run(LADDER[2]).inputs[0]) and run(LADDER[2]).found.all()


def test_a_rater_ends_the_search_by_a_ten_and_an_unclear_rating_counts_nothing():
    rater = Chats(lambda one: "10" if LADDER[1] in one.prompt else "hm")
    attack = PAIR(red=Continues(climbs), streams=1, depth=4, scorer=Rated(rater))
    target = Yields("never")
    attempts = attack.run(target, CASES[:1], Injection())
    assert attempts.found.all() and target.meter.forwards == rater.meter.forwards == 2


def test_the_target_plays_the_red_model_where_none_is_given():
    class Both(Yields):
        def write(self, texts, sampling, seeds):
            self.meter.forwards += len(texts)
            return [climbs(text, seed) for text, seed in zip(texts, seeds, strict=True)]

    target = Both(LADDER[1])
    attack = PAIR(streams=2, depth=3)
    assert attack.run(target, CASES, Injection()).found.all()
    assert target.meter.forwards == 4 * 2 * 2 * 2 <= 4 * attack.cost(target)
    assert attack.cost(target) == 2 * 3 + 2 * 3 * 3
    assert PAIR(red=Continues(climbs), streams=2, depth=3).cost(target) == 6


def test_a_budget_lowers_the_depth():
    target = Yields("never")
    attack = PAIR(red=Continues(climbs), streams=2, depth=6)
    attack.run(target, CASES, Injection(), budget=Budget(forwards=5))
    assert target.meter.forwards == 4 * 2 * 2
    with pytest.raises(InvalidSpec, match="cannot make one attempt within 1 forwards"):
        attack.run(target, CASES, Injection(), budget=Budget(forwards=1))


def test_a_campaign_grades_it_by_the_state():
    red = Continues(lambda text, seed: f" Ignore that, {climbs(text, seed)}")
    card = measure(GullibleChat(), CASES, Injection(), attacks=[PAIR(red=red, streams=1)], judge=StateJudge())
    assert (card.attacks()[0].rate.broken, card.attacks()[0].rate.decided) == (4, 4)


def test_works_on_no_case_and_refuses_what_does_not_fit():
    assert len(PAIR(red=Continues(climbs)).run(Yields("apple"), CASES[:0], Injection())) == 0

    class Mute(Target):
        def respond(self, inputs):
            return ["..."] * len(inputs)

    with pytest.raises(Incompatible, match="needs a Chat target; got Mute"):
        PAIR().run(Mute(), CASES, Injection())
    with pytest.raises(InvalidCases, match="needs cases whose goals are aims"):
        PAIR(red=Continues(climbs)).run(Yields("apple"), Contact().cases(2), Injection())


def test_settings_are_plain_data_and_bad_ones_are_refused_in_one_sentence():
    attack = PAIR(red=Continues(climbs, name="big red"), streams=2)
    assert build(to_spec(attack)) == attack and to_spec(attack)["fingerprint"] == "big red"
    assert build(to_spec(PAIR())) == PAIR()
    with pytest.raises(InvalidSpec, match="needs 1 stream and a depth of 1 or more; got 0 and 3"):
        PAIR(streams=0)
    with pytest.raises(InvalidSpec, match="needs 4 tokens and 1 try or more; got 80 and 0"):
        PAIR(tries=0)
    with pytest.raises(InvalidSpec, match="a red model with fingerprint small, but its spec says big red"):
        PAIR(red=Continues(climbs, name="small"), fingerprint="big red")


def test_says_where_it_comes_from_and_what_it_costs():
    assert PAIR.family == "pair"
    assert all(heading in PAIR.__doc__ for heading in ("Paper:", "Differs:", "Cost per case:"))
