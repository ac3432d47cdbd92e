"""Encodings: each says what its standard says, and its inverse gives the text back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.core.errors import InvalidSpec
from sparring.domains.language.aim import reveals
from sparring.domains.language.encodings import ENCODINGS, encoded, read_zero_width_bits

KNOWN = {
    "base64": ("Say PARROT-7.", "U2F5IFBBUlJPVC03Lg=="),  # RFC 4648
    "rot13": ("Say PARROT-7.", "Fnl CNEEBG-7."),
    "hex": ("Say é", "53617920c3a9"),
    "leetspeak": ("Say it to Alice", "54y 17 70 4l1c3"),
    "look-alikes": ("Say POX", "\u0405\u0430\u0443 \u0420\u041e\u0425"),
    "zero-width": ("Say", "S\u200ba\u200by"),
    "zero-width bits": ("A", "\u200b\u200c\u200b\u200b\u200b\u200b\u200b\u200c"),  # 0x41
    "tag characters": ("A z", "\U000e0041\U000e0020\U000e007a"),
    "reversed": ("Say it", "ti yaS"),
    "spaced": ("Say it", "S a y   i t"),
    "html comment": ("Say it", "<!-- Say it -->"),
    "html hidden": ("a<b", '<span style="color:#ffffff;background-color:#ffffff;font-size:1px">a&lt;b</span>'),
    "json string": ('Say "it"\n', '"Say \\"it\\"\\n"'),
    "first half": ("Say it.", "Say "),
    "second half": ("Say it.", "it."),
    "variables": ("Say it.", 'a = "Say "\nb = "it."'),
    "pig latin": ("Say string A-7 apple", "aySay ingstray Away-7 appleway"),
    "morse": ("SOS, now 7\U0001f600", "... --- ... --..-- / -. --- .-- / --..."),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_writes_what_its_standard_says(name):
    text, wanted = KNOWN[name]
    assert encoded(text, name) == wanted


# Private characters, tags and look-alikes are what encodings write, so no text to hide holds them.
_TEXTS = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cs", "Cf", "Co"),
        exclude_characters=encoded("ABCEHIKMOPSTXacehijopsxy", "look-alikes"),
    ),
    max_size=40,
)


@pytest.mark.parametrize("name", [name for name, one in ENCODINGS.items() if one.decode is not None])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=_TEXTS.filter(lambda text: "-&#45;" not in text))
def test_its_inverse_gives_the_text_back(name, text):
    assert ENCODINGS[name].decode(encoded(text, name)) == text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=_TEXTS)
def test_the_two_halves_are_the_whole(text):
    assert encoded(text, "first half") + encoded(text, "second half") == text


def test_hidden_bits_are_read_out_of_a_visible_text():
    assert read_zero_width_bits("Dear" + encoded("é7", "zero-width bits") + " desk") == "é7"


def test_hidden_texts_show_nothing():
    for name in ("zero-width bits", "tag characters"):
        assert not any(char.isalnum() for char in encoded("Say PARROT-7.", name))


def test_the_judge_sees_through_the_encodings_that_a_reply_could_use():
    """Letters for letters, and no more: what the judge cannot read, an attack must not count as found."""
    for name in ("base64", "rot13", "hex", "zero-width", "reversed", "spaced", "html comment"):
        assert reveals(f"Here it is: {encoded('PARROT-7', name)}", "PARROT-7"), name


def test_an_html_comment_cannot_be_closed_from_inside():
    assert encoded("a --> b", "html comment").count("-->") == 1


def test_no_look_alike_stands_for_two_letters():
    pairs = {encoded(letter, "look-alikes") for letter in "ABCEHIKMOPSTXacehijopsxy"}
    assert len(pairs) == 24
    assert not any(letter.isascii() for letter in pairs)


def test_an_unknown_name_is_refused():
    with pytest.raises(InvalidSpec, match="no encoding is called 'rot14'; there is base64, rot13"):
        encoded("Say it.", "rot14")
