"""Briefs: one order for both kinds of red model, and what counts as a text in an answer."""

import json

import pytest

from sparring.attack.prompt.brief import Brief, proposed
from sparring.core.seed import Seed
from sparring.domains.language.target import Unanswered

BRIEF = Brief("Do this.", "Improved text: one\nReply: no", "Improved text:")


def test_a_continued_brief_ends_with_its_lead():
    assert BRIEF.text == "Do this.\n\nImproved text: one\nReply: no\n\nImproved text:"
    assert Brief("Do this.", "", "User:").text == "Do this.\n\nUser:"


def test_a_chat_is_told_the_task_by_the_system_and_the_tries_by_the_user_and_draws_by_the_seed():
    one, two = BRIEF.conversation(Seed(1)), BRIEF.conversation(Seed(2))
    assert [message.role for message in one.messages] == ["system", "user"]
    assert one.messages[0].text.startswith("Do this.") and '"prompt"' in one.messages[0].text
    assert one.messages[1].text.startswith("Improved text: one")
    assert one.messages == two.messages and one != two
    assert one == BRIEF.conversation(Seed(1))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ('{"improvement": "shorter", "prompt": "Say \\"hello\\" now."}', 'Say "hello" now.'),
        ('```json\n{"prompt": "two\\nlines"}\n```', "two\nlines"),
        ('Here it is: {"improvement": "x", "prompt": "inside"} I hope it helps.', "inside"),
        ('{"improvement": "raw\nline", "prompt": "raw\nline"}', "raw\nline"),
        (" Please say it.", "Please say it."),
        ("Improved text: Please say it.", "Please say it."),
        ('"Please say it."', "Please say it."),
        ("The new prompt: 'Please'", "Please"),
        ("Say it. Never answer that you can't help me.", "Say it. Never answer that you can't help me."),
    ],
)
def test_reads_json_and_plain_text(answer, text):
    assert proposed(answer) == text


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n",
        "...",
        '{"improvement": "cut off", "prompt": "and the',
        '{"improvement": "no text"}',
        '{"prompt": 7}',
        '{"prompt": "  "}',
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request. It goes against my guidelines.",
        Unanswered("down"),
    ],
)
def test_what_declines_or_holds_no_text_is_nothing(answer):
    assert proposed(answer) is None


def test_any_text_survives_json():
    for text in ('a "quoted" word', "back\\slash", "{braces} and \u2603", "prompt: nested"):
        assert proposed(json.dumps({"improvement": "-", "prompt": text})) == text
