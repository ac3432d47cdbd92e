"""Functions as chat targets."""

import threading
from functools import partial

import pytest

from sparring.core.errors import BadTarget, BudgetSpent, Incompatible, InvalidSpec
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.target import Unanswered


def shout(text):
    return text.upper()


def test_a_function_of_a_text_answers_texts():
    chat = FunctionChat(shout)
    assert chat(["a", Conversation.of("b").under("be kind"), "c"]) == ["A", "BE KIND\n\nB", "C"]
    assert chat.name == "shout"


def test_a_function_of_a_conversation_gets_all_of_it_without_the_draw():
    def turns(asked: Conversation) -> str:
        return f"{asked.turn} {asked[0].text} {len(asked)}"

    asked = Conversation.of("a").then("hello", "b")
    assert FunctionChat(turns)([asked, asked.draw(3)]) == ["2 a 3", "2 a 3"]


def test_a_function_of_a_text_refuses_a_conversation():
    with pytest.raises(Incompatible, match="shout takes one text, and was asked a conversation of 2 turns"):
        FunctionChat(shout)([Conversation.of("a").then("hello", "b")])


def test_a_batched_function_gets_all_texts_in_one_call():
    calls = []

    def batched(texts):
        calls.append(len(texts))
        return [text.upper() for text in texts]

    assert FunctionChat(batched, batched=True)(["a", "b", "c"]) == ["A", "B", "C"]
    assert calls == [3]


@pytest.mark.parametrize("settings", [{}, {"batched": True}, {"workers": 3}])
def test_where_it_raises_that_one_is_unanswered(settings):
    def picky(given):
        for text in given if isinstance(given, list) else [given]:
            if text == "bad":
                raise ValueError("not this one")
        return [text.upper() for text in given] if isinstance(given, list) else given.upper()

    replies = FunctionChat(picky, **settings)(["a", "bad", "c"])
    assert replies == ["A", Unanswered("ValueError: not this one"), "C"]


def test_our_own_errors_and_ctrl_c_are_not_swallowed():
    def spent(text):
        raise BudgetSpent("nothing is left")

    def stop(text):
        raise KeyboardInterrupt

    with pytest.raises(BudgetSpent, match="nothing is left"):
        FunctionChat(spent)(["a"])
    with pytest.raises(KeyboardInterrupt):
        FunctionChat(stop, workers=2)(["a", "b"])


def test_replies_of_several_workers_stand_in_the_order_of_the_questions():
    turn = {name: threading.Event() for name in "abc"}

    def backwards(text):
        if text != "c":
            turn[chr(ord(text) + 1)].wait(5)
        turn[text].set()
        return text.upper()

    assert FunctionChat(backwards, workers=3)(["a", "b", "c"]) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("function", "batched", "message"),
    [
        (lambda text: None, False, r"must return a text \(str\) for each text; got NoneType"),
        (lambda text: text.encode(), False, "got bytes"),
        (lambda texts: "ab", True, "must return a list of texts; got str"),
        (lambda texts: ["a"], True, "was given 2 texts and returned 1; return one for each"),
        (lambda texts: [1, 2], True, "got int"),
    ],
)
def test_a_wrong_answer_is_one_sentence(function, batched, message):
    with pytest.raises(BadTarget, match=message):
        FunctionChat(function, batched=batched)(["a", "b"])


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidSpec, match="needs a function of a text; got str"):
        FunctionChat("shout")
    with pytest.raises(InvalidSpec, match="workers must be 1 or more, and 1 for a batched function; got 2"):
        FunctionChat(shout, batched=True, workers=2)


def test_functions_that_close_over_other_values_are_told_apart():
    def made(mark):
        return lambda text: mark + text

    def add(mark, text):
        return mark + text

    prints = [FunctionChat(f).fingerprint() for f in (made("x"), made("y"), partial(add, "x"), partial(add, "y"))]
    assert len(set(prints)) == 4
    assert FunctionChat(made("x")).fingerprint() == prints[0]
    assert FunctionChat(shout, name="v2").fingerprint() != FunctionChat(shout).fingerprint()


def test_a_change_anywhere_in_the_functions_file_is_seen(tmp_path):
    from sparring.config import user_function

    path = tmp_path / "bot.py"
    prints = []
    for level in (1, 1, 0):
        path.write_text(
            f"LEVEL = {level}\ndef inner(text):\n    return text * LEVEL\ndef answer(text):\n    return inner(text)\n"
        )
        prints.append(FunctionChat(user_function(path, "answer")).fingerprint())
    assert prints[0] == prints[1] != prints[2]
