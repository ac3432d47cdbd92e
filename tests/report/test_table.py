"""The printed table: its figures, its width, and text that is not markup."""

import io

import pytest
from rich.console import Console

from sparring.core.errors import InvalidSpec
from sparring.measure.text import percent
from sparring.report.table import comparison_table, comparison_text
from tests.report.material import FOG, LINF, attack, card, clean, flagged, hardened, standard


def printed(cards) -> str:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(comparison_table(cards))
    return console.file.getvalue()


@pytest.mark.parametrize("form", [printed, comparison_text])
def test_fits_100_columns_for_three_targets_and_holds_their_figures(form):
    cards = [standard(), standard(), hardened()]
    text = form(cards)
    assert max(map(len, text.splitlines())) <= 100
    for one in cards:
        for rate in (one.clean, one.worst(threat=LINF), one.worst(threat=FOG), one.worst()):
            assert percent(rate)[0] in text and percent(rate)[1] in text
    assert "1.0x" in text and "4.3x" in text and "100 cases" in text


@pytest.mark.parametrize("form", [printed, comparison_text])
def test_compares_held_out_figures_over_families_that_no_target_trained_on(form):
    assert "24.0" in form([standard(), hardened()])  # standard, without the gradient family


@pytest.mark.parametrize("form", [printed, comparison_text])
def test_shows_what_was_not_decided_and_the_red_flags(form):
    text = form(
        [flagged(), card("silent", [clean(), attack("pgd", "gradient", 0, already=0, errors=90, undecided=10)])]
    )
    assert "! adversarial: Square breaks more than PGD" in text
    assert "90 errors" in text and "10 undecided" in text and "nothing" in text


def test_more_threats_than_columns_are_summed_up():
    bouts = [clean(), *(attack(f"a{i}", "query", 10 * i, threat=f"threat {i}") for i in range(1, 6))]
    text = comparison_text([card("one", bouts)])
    assert "5 other" not in text and "4 other" in text and "45.0" in text


def test_markup_in_names_is_text():
    text = printed([card("[red]net[/red]\x1b[31m", [clean(), attack("pgd", "gradient", 10)])])
    assert "[red]net[/red]" in text and "\x1b" not in text


def test_refuses_an_empty_table():
    with pytest.raises(InvalidSpec, match="a table needs one scorecard or more; got none"):
        comparison_table([])


def test_kinds_of_one_harm_are_told_apart_and_many_harms_are_not():
    bouts = [clean(0), attack("pgd", "gradient", 21, already=0)]
    kinds = [("mail", "status")[k % 2] for k in range(100)]
    told = printed([card("desk", bouts, groups=[f"desk/{kind}" for kind in kinds])])
    assert "desk, cases broken by any attack: mail 11 of 50, status 10 of 50" in told
    assert "by any attack" not in printed([card("desk", bouts, groups=[f"{kind}/x" for kind in kinds])])
