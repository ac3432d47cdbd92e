"""Red flags that follow from the verdicts alone, whatever the domain."""

from sparring.core.flag import Flag
from sparring.core.judge import Outcome
from sparring.measure.outcomes import CODES
from sparring.measure.scorecard import Bout, Scorecard
from sparring.measure.statistics import mcnemar

_SURE = 0.01  # exact McNemar p-value below which one attack counts as better than another
_LEAD = 0.02  # and by at least this share of the cases that both tried
_UNPROVEN = 0.02  # share of claims that the replay may refuse before that is said


def card_flags(card: Scorecard, *, replays: bool) -> list[Flag]:
    """All that the verdicts themselves give reason to doubt."""
    flags = [flag for bout in card.attacks() for flag in (_claims(bout), _failed(bout), _refused(bout)) if flag]
    flags += _weaker_families(card)
    if not replays:
        flags.append(
            Flag("random-target", "The target gives different answers to the same input, so every figure is one draw.")
        )
    return flags


def _claims(bout: Bout) -> Flag | None:
    """An attack that says it broke more than the replay found."""
    broken = int((bout.outcomes == CODES.index(Outcome.BROKEN)).sum())
    if bout.claimed <= broken or bout.claimed - broken <= _UNPROVEN * bout.claimed:
        return None
    share = (bout.claimed - broken) / bout.claimed
    text = f"{bout.label} claimed {bout.claimed} successes and {broken} stood up to a second look."
    return Flag("unproven-claims", text, share)


def _failed(bout: Bout) -> Flag | None:
    errors = int((bout.outcomes == CODES.index(Outcome.ERROR)).sum())
    if not errors:
        return None
    return Flag(
        "errors", f"{bout.label} ended in an error on {errors} cases; they count neither as held nor as broken.", errors
    )


def _refused(bout: Bout) -> Flag | None:
    count = int((bout.outcomes == CODES.index(Outcome.INADMISSIBLE)).sum())
    if not count:
        return None
    return Flag("inadmissible", f"{bout.label} left the threat model on {count} cases; they count neither way.", count)


def _weaker_families(card: Scorecard) -> list[Flag]:
    """Random noise or a query attack that beats a gradient attack means that gradients mislead."""
    flags = []
    full = [bout for bout in card.attacks() if bout.family in ("gradient", "query", "noise")]
    for weak in (bout for bout in full if bout.family == "gradient"):
        for strong in full:
            if strong.family == "gradient" or strong.threat != weak.threat:
                continue
            both = (weak.outcomes >= 0) & (strong.outcomes >= 0)
            broke = [bout.outcomes == CODES.index(Outcome.BROKEN) for bout in (weak, strong)]
            only_weak, only_strong = int((broke[0] & ~broke[1] & both).sum()), int((~broke[0] & broke[1] & both).sum())
            lead = (only_strong - only_weak) / max(1, int(both.sum()))
            if lead > _LEAD and mcnemar(only_weak, only_strong) < _SURE:
                text = (
                    f"{strong.label}, which sees no gradients, breaks more than {weak.label}, which does: "
                    "the target's gradients probably mislead."
                )
                flags.append(Flag("gradients-mislead", text, only_strong - only_weak))
    return flags
