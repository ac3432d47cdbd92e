"""Hostile text: nothing runs, nothing hides, no key gets out."""

import unicodedata

from markupsafe import Markup

from sparring.domains.language.keys import without_keys
from sparring.ui.hostile import line, visible


def test_markup_stays_text_and_line_ends_stay():
    assert visible("<b>&\"'\n\tx") == Markup("&lt;b&gt;&amp;&#34;&#39;\n\tx")


def test_every_invisible_character_is_named():
    for code in (0x1B, 0x0D, 0x202E, 0x2066, 0x200B, 0xFEFF, 0xE0041, 0x3164, 0xFE01, 0xE0100, 0xD800, 0x2028):
        assert visible(f"a{chr(code)}b") == f'a<span class="mark">U+{code:04X}</span>b'


def test_letters_of_all_scripts_and_emoji_stay_as_they_are():
    text = "\u4f60\u597d \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd e\u0301 \U0001f99c"
    assert all(unicodedata.category(letter)[0] in "LMSZ" for letter in text)
    assert visible(text) == text


def test_a_text_without_end_is_cut_and_says_so():
    told = visible("<" * 20_005)
    assert told.count("&lt;") == 20_000 and "5 more characters" in told


def test_one_line_is_one_line():
    assert line("a\n b\r\nc") == "a b c"
    assert line("x" * 200, 10) == "x" * 9 + "\u2026"


def test_keys_of_the_environment_and_of_known_kinds_are_cut(monkeypatch):
    monkeypatch.setenv("THEIR_SECRET", "correct-horse")
    monkeypatch.setenv("THEIR_SECRETARY", "nobody-special")
    monkeypatch.setenv("SHORT_KEY", "word")
    assert without_keys("correct-horse, nobody-special, word") == "[key], nobody-special, word"
    assert visible("correct-horse sk-abcdefghijklmnopqrst") == "[key] sk-a[key]"
