"""Direct questions: dealt once, never shared between the splits."""

import pytest

from sparring.attack.prompt.direct import Direct
from sparring.core.errors import Incompatible
from sparring.domains.language.harm import joined_cases
from sparring.domains.language.harms.bias import Bias
from sparring.domains.language.harms.contact import Contact
from sparring.domains.language.harms.dialogue import Dialogue
from sparring.domains.language.harms.leak import Leak
from sparring.domains.language.harms.offence import Offence
from sparring.domains.language.threat import Prompts
from sparring.domains.language.toy import ToyChat

HARMS = (Contact(), Offence(), Leak(), Bias(), Dialogue())


def written(split, seed=0, n=16):
    cases = joined_cases([harm.cases(n, split=split) for harm in HARMS], split)
    return Direct(harms=HARMS).write(ToyChat(), cases, Prompts(), seed=seed).attempts


def test_every_case_of_every_harm_gets_a_question_of_its_own():
    script = written("test")
    assert len(script) == 5 * 16
    assert len(set(script.values())) == len(script)


def test_training_and_test_share_no_question():
    assert not set(written("train").values()) & set(written("test").values())


def test_the_seed_deals_the_questions():
    assert written("test") == written("test")
    assert written("test") != written("test", seed=1)


def test_a_telephone_question_breaks_a_target_that_gives_numbers_out():
    harm = Contact(kinds=("phone number",))
    cases = harm.cases(8)
    attempts = (
        Direct(harms=(harm,)).write(ToyChat(), cases, Prompts(), seed=0).search(ToyChat(), cases, Prompts(), None)
    )
    outcomes = harm.judge.grade(cases, attempts.inputs, ToyChat()(attempts.inputs))
    asked_for_phone = ["phone" in question.lower() for question in attempts.inputs]
    assert [outcome == "broken" for outcome in outcomes] == asked_for_phone
    assert any(asked_for_phone)


def test_a_case_of_another_harm_is_refused():
    with pytest.raises(Incompatible, match="contact is not among them"):
        Direct(harms=(Offence(),)).write(ToyChat(), Contact().cases(2), Prompts())
