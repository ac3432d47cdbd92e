"""Words of a model that would drive a terminal, run in a page or give a key away: shown, never carried out."""

import json
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from sparring import cli
from sparring.console import Bars
from sparring.core.cases import Cases
from sparring.core.flag import Flag
from sparring.core.target import Hardening
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.harm import Want
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.threat import Prompts
from sparring.measure.campaign import measure
from tests.domains.language.campaign import Pleading
from tests.report.material import attack, card, clean

ESCAPE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e"
KEY = "sk-" + "planted-0123456789-canary"
HOSTILE = f"{ESCAPE}<script>alert(1)</script>[red]{KEY}"
HIDDEN = set("\x1b\x07\x9b\u202e")


class Always(ReplyJudge):
    """Broken whatever the reply."""

    def breaks(self, goals, asked, replies):
        return [True] * len(replies)


@pytest.fixture
def folder(tmp_path):
    """A run against a chat whose every reply is hostile, with its scorecard."""
    chat = FunctionChat(lambda text: f"{HOSTILE} {text}", name=f"chat {ESCAPE}", replays=True)
    ids = [f"canary/test/{k}" for k in range(4)]
    cases = Cases(ids, [f"Question {k}?" for k in range(4)], [Want("canary", "word", "List:")] * 4, "canary")
    found = measure(chat, cases, Prompts(), attacks=[Pleading()], judge=Always(), workspace=tmp_path)
    found.flags.append(Flag("odd", f"a reply was {HOSTILE}"))
    found.save(tmp_path / "scorecard.json")
    return tmp_path


def told(*words):
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert "Traceback" not in result.output
    return result.output + result.stderr


def test_nothing_that_the_command_line_prints_drives_a_terminal_or_holds_a_key(folder):
    said = told("report", folder)
    said += told("check", folder, "--max-broken", "0.5")
    said += told("compare", folder, folder, "--out", folder / "comparison.html")
    said += told("export", folder, "--attack-cases")
    said += told("report", folder / f"gone{ESCAPE}")
    assert not HIDDEN & set(said)
    assert KEY not in said
    assert r"\u001b]0;owned" in said


def test_the_page_shows_the_reply_and_runs_nothing(folder):
    told("report", folder)
    page = (folder / "report.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert r"\u001b]0;owned" in page
    assert not HIDDEN & set(page)
    assert KEY not in page


def test_exported_cases_are_json_with_the_reply_as_it_was_but_for_keys(folder):
    told("export", folder, "--attack-cases", "--out", folder / "cases.jsonl")
    lines = (folder / "cases.jsonl").read_text().splitlines()
    first = json.loads(lines[1])
    assert first["reply"].startswith(HOSTILE.replace(KEY, "sk-p[key]"))
    printed = [line for line in told("export", folder, "--attack-cases").splitlines() if line]
    assert [json.loads(line) for line in printed] == [json.loads(line) for line in lines]


def test_printed_scorecards_and_junit_hold_no_control_characters(folder):
    step = Hardening("safe_reply", ("a",), notes=(HOSTILE,))
    one = card(f"net{ESCAPE}", [clean(), attack("pgd", "gradient", 10)], flags=[Flag("odd", HOSTILE)])
    two = card(f"two{ESCAPE}", [clean(), attack("pgd", "gradient", 5)], flags=[Flag("odd", HOSTILE)], lineage=(step,))
    for text in (str(one), str(one.compare(two))):
        assert not HIDDEN & set(text)
        assert KEY not in text
    told("check", folder, "--max-broken", "0.5", "--junit", folder / f"junit{chr(27)}.xml")
    ElementTree.parse(folder / f"junit{chr(27)}.xml")


def test_progress_bars_take_names_and_notes_as_text(capsys):
    with Bars() as bars:
        bars.start(f"[red]pgd[/red]{ESCAPE}", 2)
        bars.advance(f"[red]pgd[/red]{ESCAPE}", 1, note=f"best: {ESCAPE}")
        bars.say(f"said {ESCAPE}")
    _, err = capsys.readouterr()
    assert "\x07" not in err and "\u202e" not in err and "\x1b]0" not in err
