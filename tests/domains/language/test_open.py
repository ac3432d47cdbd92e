"""What a user calls a target, and what it opens."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.open import open_chat
from sparring.domains.language.toy import ToyChat


def test_a_function_of_one_text_is_the_target():
    assert open_chat(lambda text: text.upper())(["hello"]) == ["HELLO"]


def test_a_function_without_parameters_returns_the_target():
    chat = ToyChat()
    assert open_chat(lambda: chat) is chat


def test_a_function_that_returns_a_function_is_a_target_too():
    assert open_chat(lambda: str.upper)(["hello"]) == ["HELLO"]


def test_a_function_of_two_texts_is_refused():
    with pytest.raises(InvalidSpec, match="takes 2 parameters; a target takes one text"):
        open_chat(lambda one, two: one)


def test_a_function_that_returns_a_number_is_refused():
    with pytest.raises(InvalidSpec, match="must return a chat target or a function; got int"):
        open_chat(lambda: 3)


def test_an_endpoint_needs_a_model():
    with pytest.raises(InvalidSpec, match="say which with --model NAME"):
        open_chat("http://localhost:8000/v1")


def test_a_name_that_is_nothing_is_refused():
    with pytest.raises(InvalidSpec, match="there is no target 'smolm2'"):
        open_chat("smolm2")
