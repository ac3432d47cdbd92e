"""Injected conversations: templates of named families, filled in for the aims of cases, to learn from and to count on."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparring.attack.prompt.template_table import filled, rows, suits
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.injection import Injection


@dataclass(frozen=True)
class Injected:
    """One template in the place of one case's aim.

    Args:
        family: of the template.
        payload: what the adversary wrote.
        asked: the conversation with it.
        aim: of the case.
    """

    family: str
    payload: str
    asked: Conversation
    aim: Aim

    @property
    def text(self) -> str:
        """The message that the payload stands in."""
        return self.asked.messages[self.aim.place].text


def injected(cases: Cases, families: Sequence[str], seed: Seed) -> list[Injected]:
    """One template of each family for every case that has what one of them needs; dealt by seed, family and case."""
    threat, found = Injection(), []
    for family in families:
        for case, own, aim in zip(cases.ids, conversations(cases.inputs), cases.goals, strict=True):
            known = [row for row in rows(family) if suits(row, aim)]
            if known:
                one = seed.child("injected", family, case)
                row = known[int(one.numpy().integers(len(known)))]
                payload = filled(row, aim, own.messages[aim.place].text, one)
                found.append(Injected(family, payload, threat.inject(own, aim, payload), aim))
    return found
