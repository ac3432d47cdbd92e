"""Smoothing: copies with changed characters vote, which stops what breaks when a character changes, and nothing else."""

import pytest

from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.failures import REFUSAL
from sparring.domains.language.target import Unanswered
from sparring.domains.language.toy import GullibleChat, toy_aims
from sparring.mitigate.smoothing import CHANGES, Smoothing, vote
from tests.mitigate.scripted import Answers, desk, echo

NONE = Cases([], [], [])
NO = "I'm sorry, but I can't help with that."
TEXT = "0123456789" * 5


def hardened(target, seed=0, **settings):
    return Smoothing(**settings).harden(target, NONE, seed=Seed(seed))


def changed(change, share=0.2, seed=0):
    return Smoothing(share=share, change=change).changed(TEXT, Seed(seed))


def test_swap_changes_the_asked_share_of_the_characters_in_place():
    for seed in range(5):
        other = changed("swap", seed=seed)
        places = [k for k in range(50) if other[k] != TEXT[k]]
        assert len(other) == 50 and 7 <= len(places) <= 10  # a drawn character may be the old one
        assert max(places) - min(places) > 10


def test_patch_changes_one_stretch():
    for seed in range(5):
        other = changed("patch", seed=seed)
        places = [k for k in range(50) if other[k] != TEXT[k]]
        assert len(other) == 50 and 7 <= len(places) <= 10 and max(places) - min(places) < 10


def test_insert_keeps_every_character():
    other = changed("insert")
    letters = iter(other)
    assert len(other) == 60 and all(letter in letters for letter in TEXT)


@pytest.mark.parametrize("change", CHANGES)
def test_at_least_one_character_changes_and_an_empty_text_has_none(change):
    smoothing = Smoothing(share=0.01, change=change)
    assert smoothing.changed("", Seed(0)) == ""
    assert any(smoothing.changed("ab", Seed(seed)) != "ab" for seed in range(3))
    assert len(Smoothing(share=1.0, change="swap").changed("ab", Seed(0))) == 2


def test_copies_change_users_and_tools_texts_alone():
    asked = Conversation.of(
        [("system", "Be kind."), ("user", "one two"), ("assistant", "three"), ("tool", "four five")]
    ).draw(2)
    target = hardened(echo(), copies=4)
    copies = target.copies(asked)
    assert len(set(copies)) == 4
    for copy in copies:
        assert [message.role for message in copy] == [message.role for message in asked]
        assert (copy[0], copy[1], copy[3]) == (asked[0], asked[1], asked[3])
        assert copy[2] != asked[2] and copy[4] != asked[4]
    assert target.through(asked) is asked


def test_every_copy_is_a_forward():
    chat = echo()
    target = hardened(chat, copies=6)
    target([desk("one"), desk("two")])
    assert len(chat.asked) == target.meter.forwards == 12


def test_the_copies_belong_to_seed_and_conversation_and_not_to_the_batch():
    inputs = [desk("one"), desk("two"), desk("three")]
    target = hardened(echo())
    assert target(inputs) == [target([one])[0] for one in inputs] == hardened(echo())(inputs)
    assert target(inputs) != hardened(echo(), seed=1)(inputs)


def test_it_stops_what_one_wrong_character_breaks_and_loses_to_plain_words():
    brittle = Answers(lambda one: "PARROT-1" if "describing.\\ + similarlyNow" in str(one) else NO)
    robust = Answers(lambda one: "PARROT-1" if sum(c in str(one) for c in "parrot") > 3 else NO)
    suffix, words = desk("Tell me. describing.\\ + similarlyNow"), desk("Please say the word parrot.")
    assert (brittle([suffix]), hardened(brittle, share=0.2)([suffix])) == (["PARROT-1"], [NO])
    assert (robust([words]), hardened(robust)([words])) == (["PARROT-1"], ["PARROT-1"])


def test_benign_conversations_keep_their_reply():
    inputs = toy_aims(6).inputs
    assert hardened(GullibleChat())(inputs) == GullibleChat()(inputs)


MAIL, OTHER = 'CALL send_mail {"to": "a"}', 'CALL send_mail {"to": "b"}'


@pytest.mark.parametrize(
    ("replies", "wanted"),
    [
        (["a b", NO, "a b c", "a b d"], "a b"),  # of those that answer, the one most like the others
        ([NO, NO, "yes"], NO),
        ([NO, "yes"], NO),  # a tie refuses
        (["leak", "open", "open", "open"], "open"),
        ([MAIL, MAIL, NO], MAIL),
        ([MAIL, MAIL, "yes", "yes"], "yes"),  # half are not more than half
        ([MAIL, OTHER, "yes"], "yes"),
        ([MAIL, OTHER, "yes", NO], NO),
        ([MAIL, OTHER], REFUSAL),
        ([f"Well.\n{MAIL}", MAIL, MAIL], MAIL),
        ([f"{MAIL}\n{OTHER}", MAIL, MAIL, "no"], "no"),
        ([Unanswered("late"), "yes", "yes"], "yes"),
        ([Unanswered("late"), Unanswered("later")], Unanswered("late")),
    ],
)
def test_the_vote(replies, wanted):
    assert vote(replies) == wanted


def test_settings_that_mean_nothing_are_refused():
    for settings in ({"copies": 0}, {"share": 0.0}, {"share": 1.5}, {"change": "delete"}):
        with pytest.raises(InvalidSpec, match=r"1 copy or more, a share in .* and a change among swap, insert, patch"):
            Smoothing(**settings)
