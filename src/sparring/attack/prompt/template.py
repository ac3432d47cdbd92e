"""Template: one family of known injections or jailbreaks, filled in for each case, the best of a few."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparring.attack.prompt.best_of import admitted, best_of
from sparring.attack.prompt.scrambling import scrambled
from sparring.attack.prompt.template_table import Row, filled, rows, suits
from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import digest
from sparring.core.target import Target
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat

_SPARE = 4  # scrambled texts made per try at most, since some come out as before


@dataclass(frozen=True)
class Template(Attack[Chat, Cases, Injection]):
    """Templates of one family, drawn for each case without replacement; further tries are scrambled versions of them.

    A template that does not suit the case's aim, or is longer than the threat allows, gives way to the next one. A case
    whose aim suits none of the family counts nowhere; one that they are all too long for is refused.

    Paper: each template names its own; best of n after Hughes et al., 2024, arXiv:2412.03556, section 2.
    Differs: the wordings are our own, and the scrambling of best of n begins where the family's templates are used up.
    Success is read from what was said and done, and not by a classifier of the reply.
    Cost per case: `tries` forwards, and none for a single try.

    Args:
        family: of the templates, such as `ignore-previous` (see `template_table.families`).
        tries: attempts per case, at most.
        table: CSV file with templates of your own; empty for those that come with the package.

    Raises:
        InvalidSpec: for no tries, a table that makes no sense, or a family that it does not have.
    """

    counted = "tries"
    family: str = "naive"  # type: ignore[misc]
    tries: int = 1
    table: str = ""

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise InvalidSpec(f"Template needs 1 try or more; got {self.tries}.")
        rows(self.family, self.table)

    @property
    def label(self) -> str:
        return self.family if self.tries == 1 else f"{self.family}, best of {self.tries}"

    @property
    def foreseen(self) -> bool:
        return self.tries == 1

    @property
    def material(self) -> str:
        return digest(rows(self.family, self.table)) if self.table else ""

    def cost(self, target: Target) -> int:
        return self.tries if self.tries > 1 else 0

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        threat.check(cases)
        known = [[row for row in rows(self.family, self.table) if suits(row, aim)] for aim in cases.goals]
        asked = zip(known, conversations(cases.inputs), cases.goals, cases.ids, strict=True)
        tries = [
            self._tries(suited, own, aim, threat, seed.child("template", case)) for suited, own, aim, case in asked
        ]
        return best_of(target, cases, tries, [bool(suited) for suited in known])

    def _tries(
        self, known: Sequence[Row], own: Conversation, aim: Aim, threat: Injection, seed: Seed
    ) -> list[Conversation]:
        """The templates in an order of the case's own, as far as they fit, then scrambled ones of these."""
        order = seed.numpy().permutation(len(known)).tolist()
        texts = [filled(known[k], aim, own.messages[aim.place].text, seed) for k in order]
        texts = [text for text in texts if admitted(threat, own, aim, text) is not None]
        found = dict.fromkeys(threat.inject(own, aim, text) for text in texts)
        for turn in range(_SPARE * self.tries if texts else 0):
            if len(found) >= self.tries:
                break
            found.setdefault(threat.inject(own, aim, scrambled(texts[turn % len(texts)], seed.child(turn))))
        return list(found)[: self.tries]
