"""The comparison page: the paired figures, the honest sentence, the refusals."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.report.compare import write_comparison
from tests.report.material import attack, card, clean, hardened, standard
from tests.report.test_html import Page, reaches_out


def page(tmp_path, before, after) -> tuple[Page, str]:
    html = write_comparison(before, after, tmp_path / "compare.html").read_text(encoding="utf-8")
    return Page(html), html


def test_holds_every_change_with_its_interval_and_p_value(tmp_path):
    before, after = standard(), hardened()
    found, html = page(tmp_path, before, after)
    for change in before.compare(after).changes:
        low, high = (-100 * bound for bound in reversed(change.interval))
        assert f"{0.0 - 100 * change.difference:+.1f}" in found.text
        assert f"{low:+.1f} to {high:+.1f}" in found.text
    assert "p < 0.0001" in found.text and "evidence of a gain against these attacks at this budget" in found.text
    assert reaches_out(found, html) == []


def test_says_loss_where_it_got_worse_and_nothing_where_it_is_too_close(tmp_path):
    worse, _ = page(tmp_path, hardened(), standard())
    assert "evidence of a loss" in worse.text
    same, _ = page(tmp_path, standard(), standard())
    assert "too close to be evidence of a difference (p = 1.0000)" in same.text


def test_claims_no_gain_for_a_target_that_was_spared_an_attack(tmp_path):
    spared = hardened()
    spared.bouts = [bout for bout in spared.bouts if bout.label != "pgd"]
    found, _ = page(tmp_path, standard(), spared)
    assert "but adversarial never met pgd, so this is no evidence of a difference" in found.text


def test_says_so_where_no_case_was_decided_for_both(tmp_path):
    lost = card("silent", [clean(), attack("pgd", "gradient", 0, already=0, errors=100)])
    found, _ = page(tmp_path, lost, lost)
    assert "so there is no evidence either way" in found.text and "no case decided for both" in found.text


def test_refuses_scorecards_of_different_judges(tmp_path):
    other = hardened()
    other.judge = "GoalReached 2"
    with pytest.raises(InvalidSpec, match="graded by different judges"):
        write_comparison(standard(), other, tmp_path / "compare.html")
    assert list(tmp_path.iterdir()) == []
