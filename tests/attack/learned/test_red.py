import pytest

from sparring.attack.learned.red import cut, numbered
from sparring.attack.learned.zero_shot import ZeroShot
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidCases, InvalidSpec, RunMismatch, SparringError
from sparring.domains.language.threat import Prompts
from tests.attack.learned.material import Echo, Marked, Writer, asking, numbered_question


def test_keeps_the_text_up_to_the_first_question_mark():
    assert cut(" Who are you? And me?") == "Who are you?"
    assert cut("No question.") is None


def test_a_prompt_becomes_a_numbered_list_whether_or_not_it_begins_one():
    assert numbered("List of questions:") == "List of questions:\n1."
    assert numbered("List of questions:\n1.") == "List of questions:\n1."
    assert numbered("List:", ["A?", "B?"]) == "List:\n1. A?\n2. B?\n3."


def test_every_case_gets_a_question_of_its_own_and_the_target_is_not_asked():
    target, cases = Echo(), Marked().cases(20)
    script = ZeroShot(Writer(numbered_question)).write(target, cases, Prompts(), seed=1)
    assert set(script.attempts) == set(cases.ids)
    assert len(set(script.attempts.values())) == 20
    assert all(question.endswith("?") for question in script.attempts.values())
    assert target.asked == []


def test_questions_of_one_prompt_go_to_its_cases_in_the_order_of_their_candidates():
    cases = Marked().cases(6)
    few = ZeroShot(Writer(numbered_question)).write(Echo(), cases[:2], Prompts(), seed=1)
    many = ZeroShot(Writer(numbered_question)).write(Echo(), cases, Prompts(), seed=1)
    assert all(many.attempts[i] == text for i, text in few.attempts.items())


def test_repetitions_and_texts_without_a_question_are_thrown_away_and_counted():
    texts = [" Same thing?", " same THING ?", " no mark", " Why?"]
    numbers = iter(range(1000))
    red = Writer(lambda text, seed: texts[next(numbers) % 4])
    cases = Marked().cases(4)
    script = ZeroShot(red, tries=4).write(Echo(), cases, Prompts(), seed=1)
    assert list(script.attempts.values()) == ["Same thing?"]
    assert "kept 1 of 16" in script.notes[0]
    assert (
        "repeated" in script.notes[0]
        and "without a question mark" in script.notes[0]
        and "too short" in script.notes[0]
    )
    refused = script.run(Echo(), cases, Prompts()).refused
    assert refused.tolist() == [i not in script.attempts for i in cases.ids]


def test_a_red_model_that_writes_nothing_valid_is_told_and_stops_at_a_bound():
    red = Writer(lambda text, seed: " nothing to ask")
    with pytest.raises(SparringError, match=r"wrote nothing valid in \d+ tries .*without a question mark.*another red"):
        ZeroShot(red).write(Echo(), Marked().cases(400), Prompts())
    assert len(red.texts) < 1000


def test_text_that_the_threat_forbids_is_not_proposed():
    red = Writer(lambda text, seed: f" {'long ' * (seed.value % 3)}question {seed.value % 1000}?")
    script = ZeroShot(red).write(Echo(), Marked().cases(10), Prompts(characters=20), seed=0)
    assert all(len(text) <= 20 for text in script.attempts.values())


def test_the_target_plays_red_where_none_is_named_and_one_that_only_chats_is_refused():
    script = ZeroShot(tokens=12).write(asking(), Marked().cases(4), Prompts())
    assert len(script.attempts) == 4
    with pytest.raises(Incompatible, match="only answers conversations"):
        ZeroShot().write(Echo(), Marked().cases(4), Prompts())


def test_a_killed_writer_goes_on_to_the_same_script_and_writes_nothing_twice(tmp_path):
    class Killed(Exception):
        pass

    def fragile(text, seed):
        if len(red.texts) > 200 and not whole:
            raise Killed
        return numbered_question(text, seed) if seed.value % 3 else " no"

    cases, whole = Marked().cases(200), []
    red = Writer(fragile)
    with pytest.raises(Killed):
        ZeroShot(red).write(Echo(), cases, Prompts(), seed=1, workspace=tmp_path)
    kept = (tmp_path / "journal.jsonl").read_text().count("\n")
    assert kept > 0
    (tmp_path / "journal.jsonl").open("a").write('["write zero-shot", "torn')
    whole.append(True)
    red.texts.clear()
    script = ZeroShot(red).write(Echo(), cases, Prompts(), seed=1, workspace=tmp_path)
    again = len(red.texts)
    red.texts.clear()
    assert ZeroShot(red).write(Echo(), cases, Prompts(), seed=1, workspace=tmp_path).attempts == script.attempts
    assert red.texts == []
    assert ZeroShot(red).write(Echo(), cases, Prompts(), seed=1).attempts == script.attempts
    assert again == len(red.texts) - kept


def test_a_workspace_of_another_attack_is_refused(tmp_path):
    cases = Marked().cases(4)
    ZeroShot(Writer(numbered_question)).write(Echo(), cases, Prompts(), seed=1, workspace=tmp_path)
    with pytest.raises(RunMismatch, match="another seed"):
        ZeroShot(Writer(numbered_question)).write(Echo(), cases, Prompts(), seed=2, workspace=tmp_path)


def test_cases_that_do_not_say_what_to_look_for_are_refused():
    with pytest.raises(InvalidCases, match="goals say what to look for"):
        ZeroShot(Writer(numbered_question)).write(Echo(), Cases(["a"], ["b"], ["c"]), Prompts())


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidSpec, match="4 tokens and 1 try"):
        ZeroShot(tries=0)
    with pytest.raises(InvalidSpec, match="fingerprint"):
        ZeroShot(Writer(numbered_question), fingerprint="another")
