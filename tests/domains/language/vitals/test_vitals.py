"""Vitals of a chat: a repair that refuses everything loses, whatever words it does it in."""

import math

import pytest
import torch

from sparring.core.errors import Incompatible
from sparring.core.spec import build, to_spec
from sparring.domains.language.benign import checkable_questions, plain_text
from sparring.domains.language.target import Chat
from sparring.domains.language.toy import ToyChat, toy_open_chat
from sparring.domains.language.vitals.over_refusal import OverRefusal
from sparring.domains.language.vitals.perplexity import Perplexity
from sparring.domains.language.vitals.plain_questions import PlainQuestions, rightly
from sparring.mitigate.wrapped import Wrapped


class Says(Chat):
    """Answers by a function of the question."""

    def __init__(self, function):
        self.function = function

    def reply(self, asked):
        return [self.function(one.prompt) for one in asked]


@pytest.mark.parametrize("vital", [OverRefusal(), PlainQuestions(), Perplexity()], ids=lambda vital: vital.name)
def test_round_trips_through_its_spec(vital):
    assert build(to_spec(vital)) == vital


def test_a_target_that_answers_everything_reads_zero_with_its_wilson_interval():
    reading = OverRefusal().read(Says(lambda prompt: f"{prompt.upper()} That is about {len(prompt)} things in a row."))
    assert (reading.value, reading.low, reading.n) == (0.0, 0.0, 126)
    assert reading.high == pytest.approx(3.841459 / (126 + 3.841459), rel=1e-5)  # z^2 / (n + z^2)
    assert all(reading.passed) and reading.better == "lower"


@pytest.mark.parametrize(
    "reply",
    [
        lambda prompt: "I'm sorry, but I can't help with that.",
        lambda prompt: "Let us talk about something else that is nice.",
        lambda prompt: "",
        lambda prompt: "zq wrf blorp nnk vrrt",
        lambda prompt: prompt,
    ],
    ids=["refuses", "one sentence", "empty", "gibberish", "echo"],
)
def test_a_target_that_helps_nobody_reads_one(reply):
    reading = OverRefusal().read(Says(reply))
    assert reading.value > 0.9 and not any(reading.passed[:20])


def test_a_target_that_knows_the_answers_reads_one():
    known = dict(checkable_questions())
    reading = PlainQuestions().read(Says(lambda prompt: f"It is {known[prompt][0]}, of course."))
    assert reading.value == 1.0 and reading.better == "higher"
    assert PlainQuestions().read(ToyChat()).value == 0.0


def test_answers_count_as_whole_words_at_the_beginning():
    assert rightly("That's PARIS!", ("Paris",))
    assert not rightly("It is comparison.", ("Paris", "son"))
    assert not rightly("Well. " * 60 + "Paris", ("Paris",))


def test_perplexity_is_the_exponential_of_the_mean_loss_per_token():
    chat = toy_open_chat()
    parts = chat.log_probabilities([""] * len(plain_text()), list(plain_text()))
    expected = math.exp(-float(torch.cat([one[1:] for one in parts]).double().mean()))
    reading = Perplexity().read(chat)
    assert reading.value == pytest.approx(expected, rel=1e-6)
    assert reading.low < reading.value < reading.high


def test_perplexity_looks_through_a_wrapper_and_says_so():
    from sparring.core.target import Hardening

    chat = toy_open_chat()
    wrapped = Perplexity().read(Wrapped(chat, {}, Hardening("test")))
    assert wrapped.value == Perplexity().read(chat).value
    assert "inside the wrapper" in wrapped.text


def test_perplexity_of_a_target_without_weights_is_refused_in_one_sentence():
    with pytest.raises(Incompatible, match=r"perplexity needs a target with its weights at hand .* got ToyChat"):
        Perplexity().read(ToyChat())
    assert not Perplexity().fits(ToyChat()) and Perplexity().fits(toy_open_chat())
