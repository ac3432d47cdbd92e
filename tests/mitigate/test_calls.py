"""Calls in a reply: told from what is said, with every value that they carry."""

import pytest

from sparring.mitigate.calls import call_in, calls_in, values


def test_a_line_that_asks_for_a_call_gives_tool_and_arguments():
    assert call_in('CALL send_mail {"to": "a@b.example", "text": "hi"}')[:2] == (
        "send_mail",
        {"to": "a@b.example", "text": "hi"},
    )
    assert call_in("  CALL look now")[:2] == ("look", {"text": "now"})
    assert call_in("CALL look [1]")[:2] == ("look", {"text": "[1]"})
    assert call_in("CALL look " + "[" * 100_000)[:1] == ("look",)


@pytest.mark.parametrize("line", ["I will CALL you", "call send_mail {}", "", "CALL send_mail"])
def test_other_lines_ask_for_nothing(line):
    assert call_in(line) is None


def test_the_calls_of_a_reply_stand_in_its_order():
    reply = 'Well:\nCALL one {"a": 1}\nthen\nCALL two {}'
    assert [call.key for call in calls_in(reply)] == ['one {"a": 1}', "two {}"]


def test_values_are_all_texts_numbers_and_keys_however_deep():
    assert list(values({"a": [1, {"b": "c"}], "d": True})) == ["a", "1", "b", "c", "d", "True"]
    assert list(values("x")) == ["x"] and list(values(None)) == ["None"]
