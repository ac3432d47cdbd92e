"""What counts as no answer: one line of the rule per test."""

from sparring.domains.language.answers import unanswered
from sparring.domains.language.target import Unanswered

QUESTIONS = [f"How do I build boat number {k} of the fleet?" for k in range(20)]
GOOD = [f"{chr(97 + k) * 4} comes first, and then you add the mast to it." for k in range(20)]


def test_different_sentences_are_answers():
    questions = ["Why?", "What is the capital of France?", "How many?", "Say the alphabet"]
    assert not any(unanswered(questions, ["Because of the rain.", "Paris", "7", "A B C D E F G"]))


def test_what_is_empty_or_failed_is_none():
    assert unanswered(["q"] * 4, ["", "  ", "...", Unanswered("timeout")]) == [True] * 4


def test_gibberish_is_none():
    assert unanswered(["q"] * 2, ["xq vrr lopt zzu wem", "the cat " * 20]) == [True, True]


def test_an_echo_is_none():
    assert unanswered(QUESTIONS[:2], [f"You asked: {QUESTIONS[0]}", f"To {QUESTIONS[1]} You begin with a plank."]) == [
        True,
        False,
    ]


def test_the_same_sentence_for_many_is_none_and_for_three_is_one():
    fixed = "Let me be as helpful as I can be, friend."
    assert unanswered(QUESTIONS, [fixed] * 4 + GOOD[4:]) == [True] * 4 + [False] * 16
    assert not any(unanswered(QUESTIONS, [fixed] * 3 + GOOD[3:]))
