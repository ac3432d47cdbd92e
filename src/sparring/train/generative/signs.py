"""What went wrong between two players, read off the history of their duel: collapse, cycling, a player left behind."""

from collections.abc import Sequence

_ALIKE = 0.9  # mean cosine between the changes of different cases, from which on they are one change
_FORGOTTEN = 0.1  # by how much a past generator may beat the present one before the classifier is said to forget
_BEATEN = 0.02  # success below which the generator teaches nothing any more
_NARROW = 0.3  # spread of painted images, as a share of that of real ones, below which they are one image


def duel_signs(history: Sequence[dict[str, float]], pool: int) -> tuple[str, ...]:
    """One sentence for each thing that went wrong; empty if nothing did.

    Args:
        history: rows with "attacker_now", "attacker_past" and "attacker_alike", as shares.
        pool: how many past generators the classifier learned from.
    """
    rows = [row for row in history if "attacker_now" in row]
    found = (_collapse(rows), _cycling(rows, pool), _beaten(rows))
    return tuple(sentence for sentence in found if sentence)


def _collapse(rows: Sequence[dict[str, float]]) -> str | None:
    """All changes are one change: mode collapse of the generator."""
    worst = max(rows, key=lambda row: row["attacker_alike"], default=None)
    if worst is None or worst["attacker_alike"] < _ALIKE:
        return None
    return (
        f"collapse in epoch {int(worst['epoch']) + 1}: the changes of different cases have a cosine of "
        f"{worst['attacker_alike']:.2f}, so the generator writes one change for all. Lower its schedule's peak or raise its width."
    )


def _cycling(rows: Sequence[dict[str, float]], pool: int) -> str | None:
    """The classifier forgets what it held against before, so the players chase each other in a circle."""
    gaps = [(row["attacker_past"] - row["attacker_now"], row) for row in rows if "attacker_past" in row]
    gap, worst = max(gaps, key=lambda one: one[0], default=(0.0, {}))
    if gap <= _FORGOTTEN:
        return None
    cure = f"Raise the pool (now {pool}) or its share." if pool else "Keep a pool of past generators."
    return (
        f"cycling in epoch {int(worst['epoch']) + 1}: a past generator fools {worst['attacker_past']:.0%} of the cases "
        f"and the present one {worst['attacker_now']:.0%}, so the classifier forgets. {cure}"
    )


def _beaten(rows: Sequence[dict[str, float]]) -> str | None:
    """The generator has lost, and what it writes teaches no more."""
    if not rows or rows[-1]["attacker_now"] >= _BEATEN:
        return None
    return (
        f"the generator fools only {rows[-1]['attacker_now']:.1%} in the end, so its last epochs taught nothing; that says "
        "little about other attacks. Raise its peak or its width, or let it see the gradient."
    )


def painter_signs(history: Sequence[dict[str, float]]) -> tuple[str, ...]:
    """Mode collapse of a painter: its images of one class are one image.

    Args:
        history: rows with "painter_variety", the spread of painted images over that of real ones.
    """
    rows = [row for row in history if "painter_variety" in row]
    if not rows or rows[-1]["painter_variety"] >= _NARROW:
        return ()
    return (
        f"the painter collapsed: its images of one class differ {rows[-1]['painter_variety']:.0%} as much as real ones "
        "do. Lower the painter's peak or raise its width.",
    )
