"""Shown: nothing that a terminal would carry out, nothing hidden, no keys; JSON and ordinary text stay as they are."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring.core.shown import keyless, shown, visible


@given(st.text())
def test_json_says_the_same_and_hides_nothing(text):
    told = visible(json.dumps(text, ensure_ascii=False))
    assert json.loads(told) == text
    assert not {unicodedata.category(char) for char in told} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        ("\x1b[2J\x1b]0;pwned\x07", r"\u001b[2J\u001b]0;pwned\u0007"),
        ("\x9b31m", r"\u009b31m"),
        ("over\rwritten\b", r"over\u000dwritten\u0008"),
        ("\u202egnp", r"\u202egnp"),
        ("a\u200bb\u2028c", r"a\u200bb\u2028c"),
        ("\U000e0041", r"\udb40\udc41"),
        ("\ud800", r"\ud800"),
    ],
)
def test_escapes_direction_and_invisible_letters_are_written_out(hidden, told):
    assert visible(hidden) == told


def test_ordinary_text_stays():
    text = "Two lines,\n\ta tab, größer, 漢字, 😀 and a no-break\u00a0space; the sk-learn task-skills of hf_hub."
    assert shown(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + "planted-0123456789-canary",
        "ghp_" + "a1" * 18,
        "AKIA" + "ABCDEFGH12345678",
        "xoxb-" + "1234567890-abc",
        "AIza" + "x" * 35,
        "hf_" + "aB" * 17,
        "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_key_is_cut(key):
    assert keyless(f"The key is {key}, keep it.") == f"The key is {key[:4]}[key], keep it."
    assert key not in shown(f"{key}\n{key}")


def test_a_private_key_is_cut_to_its_end():
    block = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE KEY-----"
    assert keyless(f"before {block} after") == "before ----[key] after"
    assert "MIIB" not in keyless(block[:40])
