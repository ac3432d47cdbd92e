"""Perplexity filter: texts with a stretch that a language model finds too unlikely are taken out of the conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.seed import Seed
from sparring.core.target import Hardening, Meter, Target
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat, OpenChat
from sparring.mitigate.screened import (
    ROLES,
    Screened,
    check_enough,
    check_screen,
    conformal,
    disturbed,
    readable,
    scored,
)
from sparring.mitigate.wrapping import Wrapping

_PIECE = 400  # bytes read at once, so that every model's window holds them


@dataclass(frozen=True)
class PerplexityFilter(Wrapping):
    """Takes out what holds a window of tokens with a perplexity above a threshold that benign conversations set.

    Paper: Jain et al., 2023, arXiv:2309.00614 (baseline defenses), the self-perplexity filter over windows; Alon and
    Kamfonas, 2023, arXiv:2308.14132, saw first that optimised suffixes have a high perplexity.
    Differs: the threshold is no maximum over harmful prompts but the split conformal quantile of benign conversations,
    each counting with its worst window; tools' texts are read as well as users'.
    Cost: one forward of the reader for each 400 bytes of every screened text, and as much for the data, once; no
    training.
    Loses to: orders in plain words, which are most of them, and to searches that keep their text likely. Benign codes,
    base64 and other languages look unlikely too. In bfloat16 a text on the threshold may fall on either side.

    Args:
        reader: whose perplexity counts; None for the model inside the target.
        window: tokens, the last window of a text being filled up with those before it.
        false_positives: share of benign conversations that may be disturbed; a new one is with at most this chance.
        share: of the data, held back by id to count false alarms; the rest sets the threshold.
        roles: whose texts are read, `user`, `tool` or both.

    Raises:
        InvalidSpec: for settings that mean nothing.
        Incompatible: for a reader without weights at hand.
        InvalidCases: for too few conversations.
    """

    reader: Chat | None = None
    window: int = 10
    false_positives: float = 0.05
    share: float = 0.5
    roles: tuple[str, ...] = ROLES

    learns = True
    searches = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", tuple(self.roles))
        check_screen("PerplexityFilter", self.false_positives, self.share, self.roles)
        if self.window < 1:
            raise InvalidSpec(f"PerplexityFilter needs a window of 1 token or more; got {self.window}.")

    def refuse_misfit(self, target: Target) -> None:
        super().refuse_misfit(target)
        assert isinstance(target, Chat)
        self._reader(target)

    def refuse_data(self, data: Cases) -> None:
        setting, proof = self._parts(data)
        check_enough(self.name, self.false_positives, {"set it": setting, "count false alarms": proof})

    def wrap(self, target: Chat, data: Cases, seed: Seed) -> Screened:
        surprise = Surprise(self._reader(target), self.window)
        before = surprise.meter.forwards
        setting, proof = (scored(part, self.roles, surprise.scores) for part in self._parts(data))
        threshold = conformal(setting, self.false_positives)
        note = (
            f"texts above a log-perplexity of {threshold:.2f} in {self.window} tokens are taken out, which {len(setting)} "
            f"benign conversations set for {self.false_positives:.2g} false positives; {disturbed(proof, threshold)} of "
            f"{len(proof)} others are disturbed"
        )
        step = Hardening(self.name, forwards=surprise.meter.forwards - before, notes=(note,))
        return Screened(target, surprise, threshold, self.roles, step)

    def _parts(self, data: Cases) -> tuple[list[Conversation], list[Conversation]]:
        """Conversations that set the threshold, and others to count false alarms on."""
        setting, proof = data.split(self.share, "perplexity filter")
        return readable(setting, self.roles), readable(proof, self.roles)

    def _reader(self, target: Chat) -> OpenChat:
        reader = (target if self.reader is None else self.reader).innermost
        if not isinstance(reader, OpenChat):
            raise Incompatible(
                f"{self.name} needs a reader with its weights at hand (OpenChat); got {type(reader).__name__}. Name a small "
                "local model as the reader, such as smollm2."
            )
        return reader


@dataclass(frozen=True, eq=False)
class Surprise:
    """The mean negative log-probability per token (natural log) of the least likely window of each text.

    Args:
        reader: whose probabilities they are.
        window: tokens.
    """

    reader: OpenChat
    window: int

    @property
    def meter(self) -> Meter:
        return self.reader.meter

    def scores(self, texts: Sequence[str]) -> list[float]:
        """One per text; 0 for a text of fewer than two tokens, of which nothing is known."""
        pieces = [_pieces(text) for text in texts]
        flat = [piece for some in pieces for piece in some]
        read = iter(self.reader.log_probabilities([""] * len(flat), flat) if flat else [])
        return [max((self._worst(next(read)) for _ in some), default=0.0) for some in pieces]

    def fingerprint(self) -> str:
        return f"{self.reader.fingerprint()} {self.window}"

    def _worst(self, found: Tensor) -> float:
        losses = -found[1:].double()  # the first token follows nothing but the mark of a beginning
        if not len(losses):
            return 0.0
        width = min(self.window, len(losses))
        starts = {*range(0, len(losses) - width + 1, width), len(losses) - width}
        # Rounded, for sums in another batch differ in the last digits.
        return round(max(float(losses[start : start + width].mean()) for start in starts), 4)


def _pieces(text: str) -> list[str]:
    """The text in pieces of up to 400 bytes, cut at spaces where there are any."""
    text = text.encode("utf-8", "replace").decode()
    pieces: list[str] = []
    while text:
        head = text.encode()[:_PIECE].decode(errors="ignore")
        cut = head.rfind(" ") if len(head) < len(text) else 0
        cut = cut if cut > 0 else len(head)
        pieces.append(text[:cut])
        text = text[cut:]
    return pieces
