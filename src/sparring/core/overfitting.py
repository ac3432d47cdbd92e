"""What went wrong in a training, read off its history: overfitting, catastrophic or robust, and learning nothing."""

from collections.abc import Sequence

_GAP = 0.15  # one step may leave so much more accuracy than a climb; sound trainings stay below 0.08
_FALL = 0.5  # robust accuracy must not fall below this share of its best
_STUCK = 0.97  # the loss should fall below this share of where it began
_LOSS = 0.03  # three points on 500 cases are beyond chance

Row = dict[str, float]


def notes(history: Sequence[Row], kept: int) -> tuple[str, ...]:
    """What went wrong in a training, one sentence each; empty if nothing did.

    Args:
        history: rows with "val_robust", "val_one_step" and "train_robust", as shares.
        kept: the epoch whose weights were kept, from 0.
    """
    found = (catastrophic(history, kept), robust(history), stuck(history))
    return tuple(sentence for sentence in found if sentence)


def catastrophic(history: Sequence[Row], kept: int) -> str | None:
    """Catastrophic overfitting: the student holds against one step, not against several.

    Source: Wong et al., 2020, arXiv:2001.03994, section 5.4. It fires where one step leaves 15 points more than the
    climb does, or where robust accuracy falls to half of what it was.
    """
    best = 0.0
    for row in history:
        if "val_robust" not in row:
            continue
        held, one_step = row["val_robust"], row.get("val_one_step", 0.0)
        gap, collapsed = one_step - held > _GAP, best > 0.1 and held < _FALL * best
        if gap or collapsed:
            epoch = int(row["epoch"])
            before = f"epoch {kept + 1}, from before it, was kept" if kept < epoch else "no better epoch was seen"
            return (
                f"catastrophic overfitting in epoch {epoch + 1}: {one_step:.1%} right after one step, {held:.1%} after "
                f"a climb; {before}. Use more noise (NFGSM), more attack steps or a smaller learning rate."
            )
        best = max(best, held)
    return None


def robust(history: Sequence[Row]) -> str | None:
    """Robust overfitting: robust accuracy falls on validation while it rises in training (Rice et al., 2020,
    arXiv:2002.11569); it fires at three points lost."""
    rows = [row for row in history if "val_robust" in row]
    if len(rows) < 2:
        return None
    best = max(rows, key=lambda row: row["val_robust"])
    last = rows[-1]
    rises = last.get("train_robust", 1.0) > best.get("train_robust", 0.0)
    if not rises or best["val_robust"] - last["val_robust"] < _LOSS:
        return None
    return (
        f"robust overfitting after epoch {int(best['epoch']) + 1}: validation fell from {best['val_robust']:.1%} to "
        f"{last['val_robust']:.1%} while training rose. The best epoch was kept; fewer epochs, WeightPerturbation or "
        "more data would help."
    )


def stuck(history: Sequence[Row]) -> str | None:
    """A loss that hardly fell: too hard a threat for the net, or the wrong learning rate."""
    first, last = history[0]["loss"], history[-1]["loss"]
    if len(history) < 3 or last < _STUCK * first:
        return None
    return (
        f"learned next to nothing: the loss went from {first:.3f} to {last:.3f} in {len(history)} epochs. Try another "
        "peak learning rate, more epochs or smaller batches, a RadiusRamp, or a smaller radius."
    )
