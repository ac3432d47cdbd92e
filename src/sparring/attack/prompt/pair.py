"""PAIR: a red language model writes a text, reads what the target replied and how near that came, and improves it."""

from dataclasses import dataclass, field

from sparring.attack.prompt.improving import improving
from sparring.attack.prompt.red_search import Duel, RedSearch, Slot, Try
from sparring.attack.prompt.scorer import Closeness, Scorer
from sparring.core.attack import Attempts
from sparring.core.cases import Cases
from sparring.core.errors import InvalidSpec
from sparring.core.seed import Seed
from sparring.core.spec import LEARNED
from sparring.core.target import Target
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat


@dataclass(frozen=True)
class PAIR(RedSearch):
    """Several streams per case, each of which improves its own text `depth` times; a case stops once one reached the aim.

    Paper: Chao et al., 2023, arXiv:2310.08419, algorithm 1.
    Differs: the wording of the brief is ours; it shows the last 3 tries of a stream and not the whole talk. The score is
    by default the aim's own closeness; `Rated(chat)` is the paper's 1 to 10. Streams go round three manners of
    persuasion. It works on every surface, documents and e-mails too. Small models that follow no orders continue the
    brief instead of filling in JSON (see `RedSearch`).
    Cost per case: up to `streams * depth` forwards of the target, and `streams * depth * tries` draws of the red model,
    about `streams * depth` where it writes well.

    Args:
        red: the red language model; None lets the target itself play it.
        streams: lines of tries per case, side by side (the paper has 20).
        depth: tries per stream, at most (the paper has 3).
        tokens: of one text, at most.
        tries: draws per text, at most.
        scorer: what guides the search; never who grades the campaign.
        fingerprint: of the red model.

    Raises:
        InvalidSpec: for fewer than 1 stream or a depth below 1.
    """

    family = "pair"
    counted = "depth"

    red: Chat | None = field(default=None, compare=False, repr=False, metadata=LEARNED)
    streams: int = 5
    depth: int = 3
    tokens: int = 80
    tries: int = 3
    scorer: Scorer = Closeness()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        self._check_fields()
        if self.streams < 1 or self.depth < 1:
            raise InvalidSpec(f"PAIR needs 1 stream and a depth of 1 or more; got {self.streams} and {self.depth}.")

    def cost(self, target: Target) -> int:
        texts = self.streams * self.depth
        return texts + self.drawn(target, texts)

    def search(self, target: Chat, cases: Cases, threat: Injection, seed: Seed) -> Attempts:
        duel = Duel(self, target, cases, threat, seed)
        lines: dict[tuple[int, int], list[Try]] = {
            (case, stream): [] for case in range(len(cases)) for stream in range(self.streams)
        }
        for depth in range(self.depth):
            going = [line for line in lines if duel.open(line[0])]
            if not going:
                break
            slots = [
                Slot(
                    case,
                    (str(stream), str(depth)),
                    improving(duel.aims[case], lines[case, stream], stream),
                    duel.inject(case),
                    duel.known(case),
                )
                for case, stream in going
            ]
            for line, one in zip(going, duel.tries(slots), strict=True):
                if one is not None:
                    lines[line].append(one)
        return duel.settled()
