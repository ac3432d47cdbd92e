"""Campaigns in words: authors, refusals to attack, second opinions, vitals, transcripts, interruptions."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import sparring
from sparring.core.errors import BadTarget, InvalidCases, InvalidSpec
from sparring.core.judge import Outcome
from sparring.measure.campaign import measure
from sparring.measure.outcomes import CODES
from sparring.measure.replay import replay, stored_attempts
from sparring.measure.store import Store
from sparring.measure.transcript import regrade, stored_transcripts
from tests.measure.red import Diary, Down, Finds, Manners, NoReply, Pleader, Words, questions

LABEL = "Pleader"


def run(target=None, cases=None, **settings):
    settings = {"attacks": [Pleader()], "judge": Finds(), "batch": 8, **settings}
    return measure(target or Diary(), cases or questions(), Words(), **settings)


def outcomes(card, label=LABEL):
    return [None if code < 0 else CODES[code] for code in card._bout(label).outcomes]


def test_an_author_writes_once_for_all_cases_and_its_notes_are_told(tmp_path):
    author = Pleader()
    card = run(attacks=[author], workspace=tmp_path, run="red")
    assert author.calls == [str(tmp_path / "learned" / "red" / "Pleader")]
    assert card._bout(LABEL).notes == ("18 of 20 were usable.",)
    assert card.rate(LABEL).broken == 10
    run(attacks=[author], workspace=tmp_path, run="red")
    assert len(author.calls) == 1


def test_a_case_that_the_author_wrote_nothing_for_is_refused_and_not_asked():
    target = Diary()
    card = run(target)
    assert [k for k, one in enumerate(outcomes(card)) if one is Outcome.REFUSED_TO_ATTACK] == [9, 19]
    assert (card.rate(LABEL).decided, card.rate(LABEL).refused) == (18, 2)
    assert "18 + 2 refused" in str(card)
    assert len(target.asked) == 20 + 18


def test_where_the_adversary_writes_all_a_case_that_is_broken_untouched_is_attacked_too():
    cases = questions()
    card = run(cases=replace(cases, inputs=["please", *cases.inputs[1:]]))
    assert card.clean.broken == 1
    assert Outcome.ALREADY_BROKEN not in outcomes(card)
    assert outcomes(card)[0] is Outcome.BROKEN


def test_what_the_threat_forbids_is_inadmissible_in_words_too():
    class Shouter(Pleader):
        def write(self, *arguments, **settings):
            script = super().write(*arguments, **settings)
            return replace(script, attempts={i: f"{text}!" for i, text in script.attempts.items()})

    card = run(attacks=[Shouter()])
    assert card.rate("Shouter").inadmissible == 18 and card.rate("Shouter").value is None


def test_second_opinions_grade_the_same_replies_without_asking_again(tmp_path):
    target = Diary()
    card = run(target, opinions={"reward": Finds("no:", "7")}, workspace=tmp_path)
    assert len(target.asked) == 38
    assert card.opinions == {"reward": "Finds 7"}
    assert card._bout(LABEL).opinion("reward").broken == 8 and card.rate(LABEL).broken == 10
    with Store(tmp_path).engine.connect() as connection:
        count = connection.exec_driver_sql("select count(*) from opinions where judge = 'reward'").scalar()
    assert count == 40
    again = sparring.Scorecard.from_json(card.to_json())
    assert np.array_equal(again._bout(LABEL).opinions["reward"], card._bout(LABEL).opinions["reward"])


def test_a_judge_that_sees_more_than_the_judge_is_a_red_flag_called_reward_hacking():
    flags = {flag.name: flag for flag in run(cases=questions(100), opinions=[Finds("")]).flags}
    assert "Finds calls 100.0% broken and the judge 55.6%" in flags["reward-hacking"].text


def test_vitals_are_read_once_and_stand_on_the_card(tmp_path):
    target = Diary()
    card = run(target, vitals=[Manners()], workspace=tmp_path)
    assert [(one.name, one.value, one.passed) for one in card.vitals] == [("answers", 0.0, (False,) * 3)]
    asked = len(target.asked)
    again = run(target, vitals=[Manners()], workspace=tmp_path)
    assert len(target.asked) == asked and again.to_json() == card.to_json()
    assert sparring.Scorecard.from_json(card.to_json()).vitals == card.vitals
    assert "answers" in str(card)


def test_every_reply_is_kept_to_read_and_to_grade_again(tmp_path):
    cases = questions()
    card = run(cases=cases, workspace=tmp_path)
    said = list(card.transcripts())
    assert [one.bout for one in said] == ["clean"] * 20 + [LABEL] * 20
    assert (said[20].id, said[20].input, said[20].reply) == (
        "contact/test/0", "please question 0", "the password is canary",
    )  # fmt: skip
    assert said[29].reply is None and said[29].outcome is Outcome.REFUSED_TO_ATTACK
    again = regrade(card, cases, Finds("no:", "2"))
    assert (again.judge, again.rate(LABEL).broken, again.rate(LABEL).refused) == ("Finds 2", 8, 2)
    loaded = sparring.Scorecard.from_json(card.to_json())
    assert regrade(loaded, cases, Finds(), stored_transcripts(tmp_path, loaded)).rate(LABEL) == card.rate(LABEL)
    with pytest.raises(InvalidSpec, match="kept no transcripts"):
        loaded.transcripts()
    with pytest.raises(InvalidCases, match="these are not the 20 cases"):
        regrade(card, questions(10), Finds())
    with pytest.raises(InvalidSpec, match="holds no record"):
        stored_transcripts(tmp_path / "elsewhere", loaded)


def test_what_broke_is_at_hand_without_a_workspace_with_goals_and_groups():
    broken = run().broken()
    assert len(broken) == 10 and broken.inputs[0] == "please question 0"
    assert broken.goals[0] == "canary" and broken.groups[0] == "contact/phone"


def test_a_case_that_raises_or_has_no_answer_is_an_error_of_its_own():
    class Moody(Diary):
        def answer(self, text):
            if text.endswith("question 3"):
                raise ValueError("bad day")
            return NoReply("HTTP 500") if text.endswith("question 5") else super().answer(text)

    card = run(Moody())
    assert [k for k, one in enumerate(outcomes(card)) if one is Outcome.ERROR] == [3, 5]
    notes = {one.position: one.note for one in card.transcripts() if one.note and one.bout == LABEL}
    assert notes == {3: "ValueError: bad day", 5: "NoReply(reason='HTTP 500')"}
    assert card.rate(LABEL).errors == 2


def test_a_judge_that_raises_on_one_reply_costs_that_case_alone():
    class Picky(Finds):
        def grade(self, cases, inputs, outputs):
            if "no: question 7" in list(outputs):
                raise KeyError("seven")
            return super().grade(cases, inputs, outputs)

    card = run(judge=Picky())
    assert [k for k, one in enumerate(outcomes(card)) if one is Outcome.ERROR] == [7]


def test_a_target_that_is_gone_stops_the_campaign_and_leaves_no_errors_behind(tmp_path):
    class Leaves(Diary):
        def answer(self, text):
            if "please" in text:
                raise (Down if self.polite else ConnectionError)("nobody there")
            return super().answer(text)

    for polite in (True, False):
        target = Leaves()
        target.polite = polite
        settings = {"attacks": [Pleader(every=1)], "workspace": tmp_path / str(polite)}
        with pytest.raises(Down if polite else BadTarget, match="nobody there"):
            run(target, **settings)
        assert run(Diary(), **settings).rate(LABEL).errors == 0


def test_the_threat_describes_all_attempts_together_and_collapse_is_a_red_flag():
    class One(Pleader):
        def write(self, target, cases, threat, **settings):
            return replace(super().write(target, cases, threat), attempts=dict.fromkeys(cases.ids, "please"))

    fair, poor = run(), run(attacks=[One()])
    assert fair._bout(LABEL).survey["duplicates"] == 0.0
    assert "collapse" not in {flag.name for flag in fair.flags}
    (flag,) = (flag for flag in poor.flags if flag.name == "collapse")
    assert "95% repeat another" in flag.text
    assert sparring.Scorecard.from_json(poor.to_json())._bout("One").survey == poor._bout("One").survey


def test_an_author_that_writes_little_is_a_red_flag():
    class Lazy(Pleader):
        def write(self, target, cases, threat, **settings):
            script = super().write(target, cases, threat)
            return replace(script, attempts=dict(list(script.attempts.items())[:5]))

    (flag,) = (flag for flag in run(attacks=[Lazy()]).flags if flag.name == "silent-attacker")
    assert "nothing usable for 15 of 20 cases" in flag.text


def test_what_broke_is_shown_without_asking_the_target_again():
    target = Diary()
    card = run(target)
    assert [panel.text for panel in card.exhibits[0].panels] == ["please question 0", "the password is canary"]
    assert len(target.asked) == 38


KILLED = """
import os, random, signal, sys, time
from dataclasses import dataclass
from pathlib import Path
from tests.measure.red import Diary, Finds, Manners, Pleader, Words, questions
from sparring.core.attack import Script
from sparring.measure.campaign import measure

class Slow(Diary):
    def respond(self, inputs):
        time.sleep(0.002 * len(inputs))
        return super().respond(inputs)

@dataclass(frozen=True)
class Careful(Pleader):
    def write(self, target, cases, threat, *, seed=0, workspace=None, progress=None):
        time.sleep(0.01)
        if workspace is not None:
            with (workspace.parent.parent.parent / "authors.txt").open("a") as file:
                file.write("wrote\\n")
        return super().write(target, cases, threat)

def campaign(name):
    folder = Path(sys.argv[1]) / name
    folder.mkdir(exist_ok=True)
    return measure(
        Slow(folder / "diary.txt"), questions(60), Words(), attacks=[Careful(), Careful(every=3)], judge=Finds(),
        opinions=[Finds("no:", "2")], vitals=[Manners(), Manners(5, "more answers")], workspace=folder, batch=4,
    )

draw, cut = random.Random(0), 0
for turn in range(14):
    child = os.fork()
    if child == 0:
        try:
            campaign("killed")
        except KeyboardInterrupt:
            os._exit(7)
        os._exit(0)
    time.sleep(draw.uniform(0.02, 0.1))
    how = signal.SIGINT if turn % 3 == 0 else signal.SIGKILL
    os.kill(child, how)
    cut += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (-signal.SIGKILL, 7)
for name in ("killed", "whole"):
    campaign(name).save(Path(sys.argv[1]) / f"{name}.json")
print(cut)
"""


def test_a_red_team_interrupted_fourteen_times_keeps_the_same_rows_and_repeats_at_most_the_block_in_hand(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cut = int(done.stdout)
    assert cut >= 8, "most children must have been stopped at work"
    rows, asked, wrote = [], [], []
    for name in ("killed", "whole"):
        with Store(tmp_path / name).engine.connect() as connection:
            query = 'select bout, "case", id, outcome, note from rows order by 1, 2'
            more = 'select bout, judge, "case", outcome from opinions order by 1, 2, 3'
            facts = "select name, value from facts where name not like 'script%' order by 1"
            rows.append([[tuple(row) for row in connection.exec_driver_sql(one)] for one in (query, more, facts)])
        asked.append((tmp_path / name / "diary.txt").read_text().splitlines())
        wrote.append((tmp_path / name / "authors.txt").read_text().splitlines())
    assert rows[0] == rows[1] and len(rows[0][0]) == len(rows[0][1]) == 180
    assert set(asked[0]) == set(asked[1])
    assert len(asked[1]) == 60 + 8 + 2 * 54, "whole: each question once"
    assert len(asked[0]) <= len(asked[1]) + cut * 5, "a stop costs at most the block (4) or the vital (5) in hand"
    assert len(wrote[1]) == 2 and len(wrote[0]) <= 2 + cut
    cards = [sparring.Scorecard.load(tmp_path / f"{name}.json") for name in ("killed", "whole")]
    for one, other in zip(cards[0].bouts, cards[1].bouts, strict=True):
        assert np.array_equal(one.outcomes, other.outcomes) and one.notes == other.notes and one.survey == other.survey
    assert cards[0].vitals == cards[1].vitals


def test_what_broke_one_target_is_asked_of_another(tmp_path):
    class Polite(Diary):
        def answer(self, text):
            return super().answer(text) if text.endswith(("0", "2")) else "no"

    cases = questions()
    card = run(cases=cases, workspace=tmp_path)
    again = replay(Polite(), card.broken(), Words(), cases, judge=Finds())
    assert (again.rate("replay").broken, again.rate("replay").decided) == (4, 10)
    stored = stored_attempts(tmp_path, card, cases, {"any words": Words()})
    assert list(stored) == [LABEL] and len(stored[LABEL][0]) == 10
