"""The table of templates: complete, honest about its sources, and checked row by row."""

import dataclasses

import pytest

from sparring.attack.prompt.slots import slots
from sparring.attack.prompt.template_table import COLUMNS, Row, families, filled, read_table, rows, suits
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.domains.language.encodings import ENCODINGS, encoded
from sparring.domains.language.toy import toy_aims

AIM = toy_aims(2).goals[1]
FAMILIES = (
    "naive", "ignore-previous", "context-completion", "fake-tool-result", "fake-turn", "delimiter-breaking", "hidden-text",
    "other-language", "encoding", "payload-splitting", "repetition", "translation", "completion", "divergence", "role-play",
    "refusal-suppression", "prefix-injection", "many-shot", "past-tense",
)  # fmt: skip


def row(text, kinds="", family="mine", name="one", source="us", licence="Apache-2.0"):
    return Row(family, name, text, kinds, source, licence)


def written(tmp_path, *lines, header=",".join(COLUMNS)):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_the_shipped_table_has_all_families_with_five_templates_or_more():
    assert families() == FAMILIES
    assert all(len(rows(family)) >= 5 for family in families())


def test_every_wording_is_ours_and_names_where_the_idea_comes_from():
    assert {one.licence for one in read_table()} == {"Apache-2.0"}
    assert all(any(char.isdigit() for char in one.source) or "NeurIPS" in one.source for one in read_table())


def test_no_two_templates_write_the_same():
    texts = [filled(one, AIM, "[ticket 1] open", Seed(0)) for one in read_table()]
    assert len(set(texts)) == len(texts)


def test_every_template_holds_the_order_or_its_subject_once_it_is_decoded():
    for one in read_table():
        text = filled(one, AIM, "CARRIER", 0)
        plain = AIM.ask in text or AIM.subject in text
        halves = {half for half in ("first half", "second half") if half in one.text}
        assert plain or halves or any(f":{name}" in one.text for name in ENCODINGS), one.key


def test_families_that_extract_need_a_subject_and_the_others_have_templates_for_every_aim():
    extraction = {"repetition", "translation", "completion", "divergence"}
    bare = dataclasses.replace(AIM, subject="")
    for family in families():
        assert any(suits(one, bare) for one in rows(family)) == (family not in extraction), family


def test_slots_are_filled_in_plainly_and_through_chains_of_encodings():
    aim = dataclasses.replace(AIM, ask="Say {it}.", subject="the {word}", opening="It is")
    text = filled(row("{{x}} {ask}|{subject}|{opening}|{carrier}|{ask:rot13:base64}", "subject"), aim, "a {b} c", 0)
    assert text == "{x} Say {it}.|the {word}|It is|a {b} c|" + encoded(encoded("Say {it}.", "rot13"), "base64")
    assert filled(row("{ask:first half}+{ask:second half}"), aim, "", 0) == "Say {+it}."


def test_shots_come_in_the_number_asked_for_by_the_seed():
    sixteen = row("{shots:16}\nUser: {ask}")
    texts = [filled(sixteen, AIM, "", seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].count("User:") == 17
    assert texts[0].count("Assistant:") == 16


def test_shots_are_no_two_alike():
    lines = filled(row("{shots:144}\n{ask}"), AIM, "", 5).split("\n")[:-1]
    assert len({"".join(lines[k : k + 2]) for k in range(0, len(lines), 2)}) == 144


def test_fake_turns_write_the_special_tokens_of_more_than_one_model():
    text = "\n".join(one.text for one in rows("fake-turn"))
    for token in (
        "<|im_start|>system",
        "<|start_header_id|>user<|end_header_id|>",
        "[INST]",
        "<start_of_turn>user",
        "System:",
    ):
        assert token in text


def test_a_table_of_ones_own_takes_the_place_of_the_shipped_one(tmp_path):
    path = written(
        tmp_path,
        'mine,one,"Do this,\nplease: {ask}",,us 2024,Apache-2.0',
        "mine,two,{ask:hex},,us,MIT",
        "other,one,{subject},subject,us,MIT",
    )
    assert families(path) == ("mine", "other")
    assert [one.key for one in rows("mine", path)] == ["mine/one", "mine/two"]
    assert rows("mine", path)[0].text == "Do this,\nplease: {ask}"
    assert slots(rows("other", path)[0].text) == {"subject"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mine,one,Do it now.,,us,MIT", r"row mine/one: no slot carries the aim; it needs \{ask\} or \{subject\}"),
        ("mine,one,{opening},,us,MIT", "row mine/one: no slot carries the aim"),
        ("mine,one,{ask} {order},,us,MIT", r"row mine/one: there is no slot \{order\}; slots are ask, subject"),
        ("mine,one,{ask} {},,us,MIT", r"row mine/one: there is no slot \{\}"),
        ("mine,one,{ask!r},,us,MIT", r"row mine/one: there is no slot \{ask!r\}"),
        ("mine,one,{ask:rot14},,us,MIT", "row mine/one: no encoding is called rot14; there is base64"),
        ("mine,one,{ask:base64:},,us,MIT", "row mine/one: no encoding is called ;"),
        ("mine,one,{ask,,us,MIT", "row mine/one: the braces do not match"),
        ("mine,one,ask} {ask},,us,MIT", "row mine/one: the braces do not match"),
        ("mine,one,{ask:first half},,us,MIT", "row mine/one: it holds the first half of something and not the other"),
        ("mine,one,{ask} {shots},,us,MIT", r"row mine/one: shots need a number from 1 to 144: \{shots:16\}"),
        ("mine,one,{ask} {shots:0},,us,MIT", "row mine/one: shots need a number from 1 to 144"),
        ("mine,one,{ask} {shots:145},,us,MIT", "row mine/one: shots need a number from 1 to 144"),
        ("mine,one,{ask} {shots:4:hex},,us,MIT", "row mine/one: shots need a number from 1 to 144"),
        ("mine,one,{subject},,us,MIT", "row mine/one: kinds must be subject"),
        ("mine,one,{ask},all,us,MIT", "row mine/one: kinds is subject or empty; got 'all'"),
        ("mine,one,{ask},,,MIT", "row mine/one: source must not be empty"),
        ("mine,one,{ask},, ,", "row mine/one: source and licence must not be empty"),
        (",one,{ask},,us,MIT", "row /one: family must not be empty"),
        ("mine,one,{ask},,us,MIT\nmine,one,Do {ask},,us,MIT", "row mine/one: it stands there twice"),
        ("mine,one,{ask},,us,MIT,more", "line 2: a row has 6 cells; this one has more"),
        ('mine,one,"{ask},,us,MIT', "after line 1: unexpected end of data. Put a text with commas in quotes"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_name(tmp_path, line, message):
    with pytest.raises(InvalidSpec, match=message):
        read_table(written(tmp_path, line))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(InvalidSpec, match=r"cannot read the table of templates .*nowhere\.csv"):
        read_table(str(tmp_path / "nowhere.csv"))
    with pytest.raises(
        InvalidSpec, match="needs the columns family, name, text, kinds, source, licence; got family, text"
    ):
        read_table(written(tmp_path, "a,b", header="family,text"))
    with pytest.raises(InvalidSpec, match="holds no template"):
        read_table(written(tmp_path))


def test_an_aim_that_lacks_what_a_template_needs_is_refused():
    bare = dataclasses.replace(AIM, subject="", opening="")
    with pytest.raises(
        InvalidSpec, match=r"template mine/one needs an aim with subject and opening; 'Say PARROT-1\.' has none"
    ):
        filled(row("{subject}{opening}", "subject"), bare, "", 0)
    with pytest.raises(InvalidSpec, match="no template is of the family 'mine'; there is naive"):
        rows("mine")
