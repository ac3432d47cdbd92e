"""Attacks that search anew for each target have a figure of their own, and unsuited cases count nowhere."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.target import Target
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.toy import GullibleChat, toy_aims
from sparring.measure.campaign import measure
from sparring.measure.scorecard import Scorecard


@dataclass(frozen=True)
class Orders(Attack[Target, Cases, Injection]):
    """Writes a word before each order, and has nothing for the first case."""

    word: str = "ignore"
    family: ClassVar[str] = "orders"

    def cost(self, target):
        return 0

    def search(self, target, cases, threat, seed):
        texts = [f"{self.word} {aim.ask}" for aim in cases.goals]
        inputs = [
            threat.inject(own, aim, text) for own, aim, text in zip(cases.inputs, cases.goals, texts, strict=True)
        ]
        unsuited = torch.tensor([name == "toy/0" for name in cases.ids])
        return Attempts(inputs, torch.zeros(len(cases), dtype=torch.bool), unsuited=unsuited)


@dataclass(frozen=True)
class Searching(Orders):
    """The same, said to search anew."""

    family: ClassVar[str] = "searching"
    adaptive: ClassVar[bool] = True


def card(*attacks):
    return measure(GullibleChat(), toy_aims(5), Injection(), attacks=list(attacks), judge=StateJudge())


def test_the_adaptive_figure_stands_apart_from_the_held_out_families():
    found = card(Orders("please"), Searching("ignore"))
    assert (found.adaptive.broken, found.adaptive.decided) == (4, 4)
    assert found.held_out_families == ["orders"]
    assert found.worst(held_out=True).broken == 0
    assert found.worst().broken == 4


def test_without_an_adaptive_attack_nothing_is_decided():
    assert card(Orders()).adaptive.value is None


def test_a_case_that_no_attack_is_made_for_counts_nowhere():
    found = card(Orders())
    rate = found.rate("Orders")
    assert (rate.broken, rate.decided) == (4, 4)
    assert found.worst().decided == 4


def test_the_figure_survives_the_file():
    found = card(Searching())
    assert Scorecard.from_json(found.to_json()).adaptive == found.adaptive


def test_an_attack_that_is_made_for_no_case_decides_nothing():
    found = measure(GullibleChat(), toy_aims(1), Injection(), attacks=[Orders()], judge=StateJudge())
    assert found.rate("Orders").decided == 0
    assert found.worst().value is None


def test_a_search_that_breaks_less_than_a_plain_family_is_told():
    (flag,) = [one for one in card(Orders("ignore"), Searching("please")).flags if one.name == "short-search"]
    assert "searched anew and broke 0 of 4 cases" in flag.text and "4 of 4: its search was too short" in flag.text
    assert not [one for one in card(Orders("please"), Searching("ignore")).flags if one.name == "short-search"]
