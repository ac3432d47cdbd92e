"""Injected conversations: templates in the aim's place, the same for every case however many there are."""

from sparring.attack.prompt.template_table import rows
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.toy import toy_aims
from sparring.mitigate.injected import injected


def test_every_case_gets_one_template_of_each_family_where_its_aim_says():
    cases = toy_aims(4)
    made = injected(cases, ("ignore-previous", "naive"), Seed(0))
    assert [one.family for one in made] == ["ignore-previous"] * 4 + ["naive"] * 4
    assert (
        Injection().admits(Cases(cases.ids * 2, cases.inputs * 2, cases.goals * 2), [one.asked for one in made])
        == [True] * 8
    )
    for one in made:
        assert one.text.endswith(one.payload) and one.aim.ask in one.payload
    assert made[1].text == f"[ticket 1] open\n{made[1].payload}"  # in a ticket, after what stands there
    assert made[0].text == made[0].payload  # as the user, in place of it


def test_a_case_gets_the_same_template_alone():
    cases = toy_aims(6)
    every = injected(cases, ("fake-turn",), Seed(3))
    assert [injected(cases[k : k + 1], ("fake-turn",), Seed(3))[0] for k in range(6)] == every
    assert len({one.payload.replace(one.aim.proof, "") for one in every}) > 1
    assert injected(cases, ("fake-turn",), Seed(4)) != every


def test_a_case_that_no_template_suits_is_left_out():
    aim = Aim("toy", "sentence", "", ask="Say PARROT-1.", proof="PARROT-1")
    cases = Cases(["a"], [Conversation.of("hi")], [Aim(**{**vars(aim), "place": 0})])
    assert all(row.kinds == "subject" for row in rows("repetition"))
    assert injected(cases, ("repetition",), Seed(0)) == []
