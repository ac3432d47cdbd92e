"""Export: the notice comes first, then attempts in words; a run without words is refused."""

import json

import pytest

from sparring.attack.gradient.fgsm import FGSM
from sparring.core.ball import LpBall
from sparring.core.errors import InvalidSpec
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from sparring.measure.export import NOTICE, exported
from tests.measure.red import Diary, Finds, Pleader, Words, questions


def test_a_notice_comes_first_and_what_held_only_when_asked_for(tmp_path):
    card = measure(Diary(), questions(), Words(), attacks=[Pleader()], judge=Finds(), workspace=tmp_path)
    about, *broken = [json.loads(line) for line in exported(tmp_path, card)]
    assert about["notice"] == NOTICE and about["target"] == card.target
    assert {row["outcome"] for row in broken} == {"broken"}
    assert len(broken) == sum(bout.rate.broken for bout in card.bouts)
    everything = list(exported(tmp_path, card, broken_only=False))
    assert len(everything) > len(broken) + 1


def test_a_run_without_words_is_refused_in_one_sentence(tmp_path):
    card = measure(toy_classifier(), toy_cases(), LpBall("inf", 0.1), attacks=[FGSM()], workspace=tmp_path)
    with pytest.raises(InvalidSpec, match="kept no attempts in words"):
        list(exported(tmp_path, card))
