"""The report: holds its figures, believes no text, asks the network for nothing, is the same bytes again."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from sparring.core.errors import InvalidSpec
from sparring.core.flag import Flag
from sparring.core.panel import Panel
from sparring.core.target import Hardening
from sparring.measure.scorecard import Exhibit
from sparring.measure.text import percent
from sparring.report.html import write_report
from tests.report.material import PIXEL, attack, card, clean, exhibit, flagged, hardened, outcomes, standard

TIMES = "\N{MULTIPLICATION SIGN}"
HOSTILE = (
    '</title></pre><script>alert(1)</script><img src="http://evil.example/x" onerror=alert(2)>{{ 7*7 }}$x_1$ & "quoted"'
)


class Page(HTMLParser):
    """All tags with their attributes, and all text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text, self.open = "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "br", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def report(tmp_path, cards, **settings) -> tuple[Page, str]:
    path = write_report(cards, tmp_path / "out" / "report.html", **({"title": "Digits"} | settings))
    html = path.read_text(encoding="utf-8")
    return Page(html), html


def reaches_out(page: Page, html: str) -> list[str]:
    found = [
        f"{tag} {name}={value}"
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster", "background", "xlink:href")
        and not value.startswith(("#", "data:image/png;base64,"))
    ]
    found += [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "embed", "base", "form")]
    found += [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    style = " ".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    style += " ".join(attributes.get("style", "") for _, attributes in page.tags)
    return found + re.findall(r"@import.*|url\((?!#)[^)]*\)", style)


def test_holds_every_figure_of_the_scorecards(tmp_path):
    cards = [standard(), hardened()]
    page, _ = report(tmp_path, cards, command="sparring run digits")
    for one in cards:
        rates = [one.clean, one.worst(), one.worst(held_out=True)] + [bout.rate for bout in one.bouts]
        for rate in rates:
            held, interval, _ = percent(rate)
            assert f"{held} %" in page.text and interval in page.text
    for text in ("n = 100", "n = 50", "gradient.apgd", "kept epoch 9 of 9", f"4.3{TIMES}", f"5.7{TIMES}", "17,000", "1,234", "no escalation",
                 "sparring run digits", "run-7f3a", "torch 2.13.0", "GoalReached 1", "clean: 2 (95 %)"):  # fmt: skip
        assert text in page.text, text


def test_says_in_one_sentence_what_held_where_the_standard_net_did_not(tmp_path):
    page, _ = report(tmp_path, [standard(), hardened()])
    assert (
        "Against the worst attack within Linf <= 0.1 in [0, 1], adversarial holds 75.0 % (65.7 to 82.5) of cases where "
        "standard holds 12.0 % (7.0 to 19.8): evidence of a gain against these attacks at this budget."
    ) in page.text
    assert "Held-out families (corruption, query): adversarial 66.0 %" in page.text
    assert "immune" not in page.text.lower()


def test_does_not_claim_a_gain_that_is_within_the_noise(tmp_path):
    slightly = card("other", [clean(), attack("pgd", "gradient", 82), attack("square", "query", 71)])
    page, _ = report(
        tmp_path, [card("first", [clean(), attack("pgd", "gradient", 83), attack("square", "query", 71)]), slightly]
    )
    assert "too close to be evidence of a difference (p = 1.0000)" in page.text
    assert "evidence of a gain" not in page.text


def test_claims_no_gain_for_a_target_that_was_spared_an_attack(tmp_path):
    spared = hardened()
    spared.bouts = [bout for bout in spared.bouts if bout.label != "pgd"]
    page, _ = report(tmp_path, [standard(), spared])
    assert "but adversarial never met pgd, so this is no evidence of a difference" in page.text
    assert "did not meet the same attacks" in page.text


def test_tests_a_difference_only_over_the_cases_decided_for_both(tmp_path):
    half = card("half", [clean(), attack("pgd", "gradient", 20, errors=75), attack("square", "query", 20, errors=75)])
    other = card("other", [clean(), attack("pgd", "gradient", 20), attack("square", "query", 20)])
    page, _ = report(tmp_path, [half, other])
    assert "over the 25 of 100 cases decided for both, that is no evidence of a difference" in page.text


def test_compares_held_out_figures_only_over_families_that_no_target_trained_on(tmp_path):
    before, after = standard(), hardened()
    page, _ = report(tmp_path, [before, after])
    assert before.worst(held_out=True).held == pytest.approx(0.12)  # by PGD, on which the other one trained
    assert "standard 24.0 % (16.7 to 33.2)" in page.text  # without it


def test_pairs_the_first_card_with_the_others(tmp_path):
    page, _ = report(tmp_path, [standard(), hardened()])
    assert "+63.0" in page.text and "p < 0.0001" in page.text
    page, _ = report(tmp_path, [standard(), _judged_otherwise()])
    assert "Not compared: these scorecards were graded by different judges" in page.text
    assert "did not meet the same judges" in page.text and "no evidence of a difference" in page.text


def _judged_otherwise():
    other = hardened()
    other.judge = "GoalReached 2"
    return other


def test_says_red_flags_before_any_figure_and_says_when_there_are_none(tmp_path):
    page, _ = report(tmp_path, [standard(), flagged()])
    assert "1 red flag gives reason to doubt these figures" in page.text
    assert page.text.index("gradients mislead:") < page.text.index("What held")
    assert "No red flag fired" not in page.text
    page, _ = report(tmp_path, [standard()])
    assert "No red flag fired" in page.text


def test_escapes_and_folds_hostile_text(tmp_path):
    shown = Exhibit(
        HOSTILE,
        HOSTILE,
        (Panel(HOSTILE, HOSTILE), Panel("x", png='"><script>'), Panel("attacked\x1b[31m\u202e", "\ud800")),
    )
    bouts = [clean(), attack(HOSTILE, HOSTILE, 9, threat=HOSTILE)]
    one = card(
        HOSTILE, bouts, exhibits=[shown], flags=[Flag(HOSTILE, HOSTILE)], notes=[HOSTILE], asked={HOSTILE: HOSTILE},
        run=HOSTILE, versions={HOSTILE: HOSTILE},
    )  # fmt: skip
    page, html = report(tmp_path, [one, one], title=HOSTILE, command=HOSTILE, series=[one, one])
    assert reaches_out(page, html) == []
    assert {tag for tag, _ in page.tags} & {"script", "img"} == set()
    assert "49" not in re.sub(r"[\d.]{3,}", "", page.text)  # nothing was evaluated
    folded = re.findall(r"<details><summary>.*?</details>", html, re.DOTALL)
    assert any("&lt;script&gt;alert(1)" in part for part in folded)
    assert "\x1b" not in html and "\u202e" not in html


def test_asks_the_network_for_nothing(tmp_path):
    page, html = report(tmp_path, [standard(), flagged()], series=[standard(), hardened()])
    assert reaches_out(page, html) == []
    assert "http:" not in html and "https:" not in html
    policy = next(
        a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;") and "script" not in policy


def test_is_the_same_bytes_for_the_same_cards(tmp_path):
    first = write_report([standard(), hardened()], tmp_path / "a.html", title="Digits").read_bytes()
    second = write_report([standard(), hardened()], tmp_path / "b.html", title="Digits").read_bytes()
    assert first == second


def test_works_for_one_card_without_curve_exhibits_lineage_and_attacks(tmp_path):
    page, _ = report(tmp_path, [card("bare", [clean()])])
    assert "Robustness curve" not in page.text and "What broke it" not in page.text
    assert "not trained here" in page.text and "no evidence either way" in page.text
    page, _ = report(tmp_path, [card("one", [clean(), attack("pgd", "gradient", 20)])])
    assert "one holds 75.0 % (65.7 to 82.5) of 100 decided cases: evidence about these attacks" in page.text


def test_says_nothing_decided_and_never_zero_where_nothing_was_decided(tmp_path):
    lost = attack("pgd", "gradient", 0, already=0, errors=60, undecided=30, inadmissible=10)
    first = clean(0)
    first.outcomes = outcomes(0, 0, errors=100)
    page, _ = report(tmp_path, [card("silent", [first, lost])])
    assert "Nothing could be decided about silent under attack, so there is no evidence either way." in page.text
    assert "nothing decided" in page.text
    for text in ("+ 60 errors", "+ 30 undecided", "+ 10 inadmissible"):
        assert text in page.text
    assert not re.search(r"\b0\.0 %", page.text)


def test_counts_what_could_not_be_decided_beside_the_figure(tmp_path):
    page, _ = report(tmp_path, [card("one", [clean(), attack("pgd", "gradient", 20, undecided=7)])])
    assert "n = 93" in page.text and "+ 7 undecided" in page.text


def test_folds_the_text_of_a_conversation(tmp_path):
    said = Exhibit("crescendo", "prompt-1", (Panel("untouched", "Hello"), Panel("attacked", "line one\nline <two>")))
    page, html = report(tmp_path, [card("bot", [clean(), attack("crescendo", "prompt", 9)], exhibits=[said])])
    assert "<pre>line one\nline &lt;two&gt;</pre></details>" in html and "<details open" not in html
    assert "line <two>" in page.text


def test_tells_targets_of_one_name_apart(tmp_path):
    other = hardened()
    other.target = "standard"
    page, _ = report(tmp_path, [standard(), other, other])
    assert "standard, adversarial training (1) holds" in page.text and "standard, adversarial training (2)" in page.text


def test_headings_come_in_order_and_every_picture_has_words(tmp_path):
    page, _ = report(tmp_path, [standard(exhibits=[exhibit() for _ in range(9)]), flagged()])
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_draws_both_players_of_a_duel_and_shows_what_the_generator_made(tmp_path):
    history = tuple(
        {"epoch": float(k), "loss": 1.0, "attacker_now": 0.5 - 0.1 * k, "attacker_first": 0.1 * k} for k in range(4)
    )
    step = Hardening("train.generative.generative_training", ("generator",), 2.0, 10, (), history,
                     (Panel("what the generator made of it", png=PIXEL),))  # fmt: skip
    found, html = report(tmp_path, [card("duel", [clean()], lineage=(step,)), card("alone", [clean()])])
    assert "Attacker and target, learning from each other" in found.text
    for line, there in (("present target", True), ("first target", True), ("best past attacker", False)):
        assert (line in html) is there  # nobody measured the last one
    assert html.count(PIXEL) == 1
    assert reaches_out(found, html) == []
    assert "learning from each other" not in report(tmp_path, [card("alone", [clean()])])[1]


def test_refuses_to_report_nothing(tmp_path):
    with pytest.raises(InvalidSpec, match="a report needs one scorecard or more; got none"):
        write_report([], tmp_path / "report.html", title="Digits")


@pytest.mark.parametrize("width", [1280, 390])
def test_chromium_draws_it_without_a_horizontal_scroll(tmp_path, width):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine; install Debian's package `chromium` to run this test")
    _, html = report(tmp_path, [standard(), flagged()], series=[standard(), hardened()])
    measured = re.sub(r"<meta http-equiv[^>]*>", "", html).replace(
        "</body>", "<script>parent.postMessage([document.documentElement.scrollWidth, innerWidth], '*')</script></body>"
    )
    (tmp_path / "page.html").write_text(measured, encoding="utf-8")
    # A window is never narrower than 500 pixels, a frame may be.
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
