"""Direct: asks plainly for what must not come out, in the harm's own words; no model writes anything."""

from dataclasses import dataclass
from pathlib import Path

from sparring.core.attack import Author, Script
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible
from sparring.core.progress import Progress, Silent
from sparring.core.seed import Seed
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import Chat


@dataclass(frozen=True)
class Direct(Author[Chat, Cases, ThreatModel]):
    """One of the harm's direct questions for each case, none twice; training and test cases never share one.

    Paper: none; the first thing that anybody tries, and what a red language model has to beat.
    Differs: nothing to differ from. Questions are dealt by the seed; a case that none is left for is refused.
    Cost per case: 0 forwards.

    Args:
        harms: whose questions are asked.
    """

    family = "direct"
    harms: tuple[Harm, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "harms", tuple(self.harms))

    def cost(self, target: Target) -> int:
        return 0

    def write(
        self,
        target: Target,
        cases: Cases,
        threat: ThreatModel,
        *,
        seed: Seed | int = Seed(0),
        workspace: Path | None = None,
        progress: Progress = Silent(),
    ) -> Script:
        """Deals the questions.

        Raises:
            Incompatible: if a case's harm is not among the harms, or none of them has direct questions.
        """
        self.check(target, threat)
        known = {harm.name: harm for harm in self.harms}
        missing = sorted({want.harm for want in cases.goals} - known.keys())
        if missing:
            raise Incompatible(f"{self.name} needs the harms of its cases; {', '.join(missing)} is not among them.")
        pools: dict[tuple[str, str, str], list[str]] = {}
        script: dict[str, str] = {}
        asked: set[str] = set()
        for case, want in zip(cases.ids, cases.goals, strict=True):
            split = "train" if "/train/" in case else "test"
            key = (want.harm, want.kind, split)
            if key not in pools:
                own = known[want.harm].own_questions(want, split)
                order = Seed.of(seed).child(*key).numpy().permutation(len(own))
                pools[key] = [own[k] for k in order]
            while pools[key] and pools[key][-1] in asked:
                pools[key].pop()
            if pools[key]:
                script[case] = pools[key].pop()
                asked.add(script[case])
        if len(cases) and not script:
            raise Incompatible(f"{self.name} needs harms with direct questions; {', '.join(known)} has none.")
        return Script(self, script)
