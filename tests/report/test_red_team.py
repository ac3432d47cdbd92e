"""The red team's page: every section that a card has and none that it has not; hostile words folded; a refuser loses."""

import dataclasses
import re
import shutil
import subprocess
from itertools import pairwise

import pytest

from sparring.core.flag import Flag
from sparring.core.panel import Panel
from sparring.measure.scorecard import Exhibit
from sparring.report.compare import write_comparison
from sparring.report.table import comparison_text
from tests.report.material import hardened, standard
from tests.report.red_material import METHODS, red_card, red_team
from tests.report.test_html import HOSTILE, Page, reaches_out, report

HEADINGS = (
    "What each method broke, harm by harm", "Before and after", "What it can still do", "Diversity of the attack cases",
    "Turn by turn", "Groups of people", "How far the judges can be believed", "The same replies, other judges",
    "In the words of published taxonomies", "How attackers and repairs learned",
)  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[Page, str]:
    return report(tmp_path_factory.mktemp("red"), red_team())


def test_tells_the_whole_story(told):
    page, _ = told
    for heading in HEADINGS:
        assert heading in page.text, heading
    for text in (*METHODS, "over-refusal", "97.0 %", "self-BLEU", "LLM02:2026", "reward scorer", "RewardScorer 2", "0.970",
                 "people who collect stamps", "kept 480 of 913", "No datasheet, so no corrected rate: leak, dialogue, bias"):  # fmt: skip
        assert text in page.text, text


def test_holds_the_figures_of_the_card(told):
    page, _ = told
    card = red_team()[0]
    for label in METHODS:
        for harm, rate in card.by_harm(label).items():
            assert f"{rate.broken} of {rate.decided}" in page.text, (label, harm)
    fixed = card.corrected("reinforce", "offence")
    assert f"{100 * fixed.value:.1f} %" in page.text and f"{100 * fixed.high:.1f} %" in page.text
    row = card.disparities("reinforce")[0]
    assert f"{100 * row.low:+.1f} to {100 * row.high:+.1f}" in page.text


def test_a_target_that_refuses_everything_never_leads_the_page(told, tmp_path):
    page, _ = told
    assert "unlikelihood holds 79.1 %" in page.text and "evidence of a gain" in page.text
    assert "refuses all, over refusal: over-refusal rose by 94.0 points" in page.text
    cards = red_team()
    page, _ = report(tmp_path, [cards[0], cards[2]])
    assert (
        "but over-refusal went from 3.0 % to 97.0 %" in page.text and "so this is no evidence of a repair" in page.text
    )
    assert "evidence of a gain" not in page.text
    html = write_comparison(cards[0], cards[2], tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "no evidence of a repair" in html and "over-refusal" in html and "+94.0" in html
    text = comparison_text(cards)
    assert "over-refusal (lower is better): smollm2 3.0 %, unlikelihood 5.0 %, refuses all 97.0 %" in text
    assert "! refuses all: over-refusal rose by 94.0 points" in text and max(map(len, text.splitlines())) <= 100


def test_shows_only_what_a_card_has(tmp_path):
    bare = dataclasses.replace(red_card("bare"), vitals=[], datasheets={}, taxonomy={}, groups=[], opinions={})
    for bout in bare.bouts:
        bout.survey, bout.notes, bout.opinions = {}, (), {}
    page, _ = report(tmp_path, [bare])
    assert not [heading for heading in HEADINGS if heading in page.text]
    assert "Every attack" in page.text and "What broke it" in page.text


def test_a_report_about_images_has_none_of_it(tmp_path):
    page, _ = report(tmp_path, [standard(), hardened()])
    assert not [heading for heading in HEADINGS if heading in page.text and heading != "Before and after"]
    assert "Robustness report" in page.text and "Red-team report" not in page.text


def test_hostile_words_are_folded_and_escaped_everywhere(tmp_path):
    card = red_card(HOSTILE)
    spoiled = dataclasses.replace(
        card,
        groups=[
            f"bias/{HOSTILE} {k % 3}" if k % 2 else f"{HOSTILE}/turn {1 + k // 2 % 3}" for k in range(len(card.ids))
        ],
        vitals=[dataclasses.replace(one, name=HOSTILE, text=HOSTILE) for one in card.vitals[:1]],
        opinions={HOSTILE: HOSTILE},
        datasheets={HOSTILE: dataclasses.replace(card.datasheets["contact"], source=HOSTILE, version=HOSTILE)},
        taxonomy={HOSTILE.partition("/")[0]: (HOSTILE,), "bias": (HOSTILE,)},
        exhibits=[Exhibit("zero-shot", "x", (Panel("asked", HOSTILE), Panel("answered", HOSTILE)))],
        flags=[Flag(HOSTILE, HOSTILE)],
    )
    for bout in spoiled.bouts[1:]:
        bout.label, bout.notes, bout.opinions = f"{HOSTILE} {bout.label}", (HOSTILE,), {HOSTILE: bout.outcomes}
    page, html = report(tmp_path, [spoiled, spoiled])
    assert reaches_out(page, html) == [] and {tag for tag, _ in page.tags} & {"script", "img"} == set()
    gallery = html[html.index("What broke it") :]
    for words in re.findall(r"<pre>(.*?)</pre>", gallery[: gallery.index("</section>")], re.DOTALL):
        assert "&lt;script&gt;" in words
    assert "<details open" not in gallery[: gallery.index("</section>")]


def test_replies_are_never_printed():
    card = red_team()[0]
    for text in (str(card), comparison_text([card]), str(card.compare(card))):
        assert "555-0100" not in text and "Canary" not in text


def test_every_picture_has_words_and_ids_are_unique(told):
    page, _ = told
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("width", [1280, 390])
def test_chromium_draws_it_without_a_horizontal_scroll(told, tmp_path, width):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine; install Debian's package `chromium` to run this test")
    script = "<script>parent.postMessage([document.documentElement.scrollWidth, innerWidth], '*')</script></body>"
    measured = re.sub(r"<meta http-equiv[^>]*>", "", told[1]).replace("<details>", "<details open>")
    (tmp_path / "page.html").write_text(measured.replace("</body>", script), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        "<body><script>onmessage = e => document.body.id = 'w' + e.data.join('-')</script>"
        f"<iframe src=page.html style='width:{width}px;height:900px;border:0'></iframe>"
    )
    ran = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom",
         (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'id="w(\d+)-(\d+)"', ran.stdout)
    if found is None:
        pytest.skip(f"chromium could not draw here (exit {ran.returncode})")
    assert int(found[2]) == width and int(found[1]) <= width
