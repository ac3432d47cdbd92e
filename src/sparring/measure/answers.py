"""Answers and grades of a batch, case by case where the batch raises, so that one bad case costs only itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sparring.core.cases import Cases, take
from sparring.core.errors import BadTarget, SparringError
from sparring.core.judge import Judge, Outcome
from sparring.core.target import Target


def refuse_silent(target: Target, inputs: torch.Tensor) -> None:
    """Asks a target about the first cases, before any work is lost.

    Raises:
        BadTarget: if it raises on them, or answers NaN or infinity.
    """
    try:
        outputs = target(inputs)
    except SparringError:
        raise
    except Exception as error:
        raise BadTarget(
            f"{target.name} raised on the first cases, inputs of shape {tuple(inputs.shape)}: {reason(error)}. "
            "Check that the cases have the shape that it takes (images: batch, channel, height, width)."
        ) from error
    if isinstance(outputs, torch.Tensor) and not bool(torch.isfinite(outputs).all()):
        raise BadTarget(
            f"{target.name} answered NaN or infinity on untouched cases. Check its weights and normalisation."
        )


def answered(target: Target, inputs: Any, where: np.ndarray) -> tuple[Any, np.ndarray, dict[int, str]]:
    """What a target says to some inputs of a batch.

    Args:
        where: positions to ask about.

    Returns:
        The outputs, the positions that they belong to, and why the others have none.

    Raises:
        BadTarget: if it raises on every one of several, for that is not the cases' fault.
    """
    if not len(where):
        return [], where, {}
    every = len(where) == len(inputs)
    parts, fine, errors = _piecewise(
        lambda index: target(inputs if every and len(index) == len(inputs) else take(inputs, index)), where
    )
    if not len(fine) and len(where) > 1:
        raise BadTarget(
            f"{target.name} raised on all {len(where)} cases of a batch, first with: {next(iter(errors.values()))}. What "
            "was finished before is kept: mend it and make the same call again to go on."
        )
    return joined(parts), fine, errors


def graded(
    judge: Judge, cases: Cases, inputs: Any, outputs: Any, where: np.ndarray, errors: Mapping[int, str]
) -> tuple[list[Outcome], dict[int, str]]:
    """One outcome per case: what a judge says where there is an answer, and an error where there is none.

    Args:
        outputs: of the positions in `where`.
        errors: why the others have none.
    """
    outcomes = [Outcome.ERROR] * len(cases)
    notes = dict(errors)
    place = {int(position): k for k, position in enumerate(where)}

    def grade(index: np.ndarray) -> list[Outcome]:
        if len(index) == len(cases):
            return list(judge.grade(cases, inputs, outputs))
        own = np.array([place[int(position)] for position in index], int)
        return list(judge.grade(cases[index], take(inputs, index), take(outputs, own)))

    if len(where):
        parts, fine, failed = _piecewise(grade, where)
        if not len(fine) and len(where) > 1:
            raise RuntimeError(f"the judge {judge.name} raised on every case of a batch: {next(iter(failed.values()))}")
        for position, outcome in zip(fine, [one for part in parts for one in part], strict=True):
            outcomes[int(position)] = outcome
        notes |= {position: f"judge: {reason}" for position, reason in failed.items()}
    return outcomes, notes


def joined(parts: Sequence[Any]) -> Any:
    """Batches as one: tensors along their first axis, anything else as a list."""
    if len(parts) == 1:
        return parts[0]
    if parts and isinstance(parts[0], torch.Tensor):
        return torch.cat(list(parts))
    return [one for part in parts for one in part]


def reason(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}"[:500]


def _piecewise(work: Callable[[np.ndarray], Any], where: np.ndarray) -> tuple[list[Any], np.ndarray, dict[int, str]]:
    """The work on all positions at once, or one by one where that raises: results, their positions, and reasons."""
    try:
        return [work(where)], where, {}
    except SparringError:
        raise
    except Exception as error:
        if len(where) == 1:
            return [], where[:0], {int(where[0]): reason(error)}
    parts: list[Any] = []
    fine: list[int] = []
    errors: dict[int, str] = {}
    for k in range(len(where)):
        found, good, failed = _piecewise(work, where[k : k + 1])
        parts += found
        fine += good.tolist()
        errors |= failed
    return parts, np.array(fine, int), errors
