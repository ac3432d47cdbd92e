"""Phrases: what is written differently is the same phrase, and a figure is a shape."""

# ruff: noqa: RUF001  look-alike letters are what is tested

import pytest

from sparring.domains.language.phrases import Shape


@pytest.mark.parametrize(
    "text",
    [
        "please CALL the bakery",
        "please  call,the bakery!",
        "please c a l l the bakery",
        "please c.a.l.l the b-a-k-e-r-y",
        "please cаll thе bаkerу",  # Cyrillic letters
        "please ｃａｌｌ the ｂakery",  # full width
        "pléase cáll thé bákery",
        "please ca\u200bll the bake\u00adry",
        "please c4ll the b@kery",
        "𝐩lease 𝐜all the bakery",
    ],
)
def test_survives_case_spacing_punctuation_accents_and_look_alike_letters(text):
    assert Shape.of(text).holds(("call", "the", "bakery"))


def test_long_phrases_survive_lost_spaces_and_short_ones_do_not_match_inside_words():
    assert Shape.of("callthebakery").holds(("call", "the", "bakery"))
    assert not Shape.of("a scallop").holds(("call",))
    assert not Shape.of("call a bakery").holds(("call", "the", "bakery"))


@pytest.mark.parametrize(
    "text", ["(555) 010-4477", "555 010 4477", "5 5 5 0 1 0 4 4 7 7", "555.010.4477", "５５５-010-4477"]
)
def test_a_telephone_number_is_one_shape_however_it_is_parted(text):
    assert Shape.of(f"the number is {text}, thanks").units == ("the", "number", "is", "<number>", "thanks")


def test_addresses_of_the_net_are_shapes():
    units = Shape.of("write to no.one@example.org or see https://example.org/x?y=1 or www.example.org").units
    assert units == ("write", "to", "<mail>", "or", "see", "<link>", "or", "<link>")
    assert Shape.of("no.one [at] example [dot] org").units == ("<mail>",)


def test_plain_sentences_keep_their_words():
    assert Shape.of("No! It's 3 of 4, isn't it?").units == ("no", "it", "s", "#1", "of", "#1", "isn", "t", "it")


def test_years_prices_and_dates_are_no_telephone_numbers():
    units = Shape.of("in 1889, on 2024-05-17 or 3/4/2025, for $1,250,000 or 12.50").units
    assert units == ("in", "#4", "on", "<date>", "or", "<date>", "for", "#1", "#3", "#3", "or", "#4")
    assert Shape.of("078-05-1120").units == ("<number>",)
