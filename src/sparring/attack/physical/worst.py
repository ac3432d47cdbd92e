"""The worst attempt on each case so far, for attacks that try a list of pictures."""

import torch
from torch import Tensor

from sparring.attack.gradient.pgd import Best
from sparring.core.cases import Cases
from sparring.core.goal import Goals
from sparring.core.target import Target


def untouched_first(target: Target, cases: Cases) -> Best:
    """Keeps the case itself where it reaches the goal already, and nothing yet where it does not: 1 forward."""
    best = Best(cases.inputs)
    everyone = torch.arange(len(cases), device=cases.inputs.device)
    reached = cases.goals.reached(target(cases.inputs))
    best.offer(everyone, cases.inputs, torch.full_like(best.values, -torch.inf), reached)
    return best


def offer(target: Target, goals: Goals, best: Best, positions: Tensor, inputs: Tensor) -> None:
    """Asks the target about pictures of the cases at these positions and keeps what is better: 1 forward."""
    outputs = target(inputs)
    best.offer(positions, inputs, badness(goals[positions], outputs), goals[positions].reached(outputs))


def badness(goals: Goals, outputs: Tensor) -> Tensor:
    """The goal's loss, shape (batch,); zeros where the target reveals no more than a label."""
    return goals.loss(outputs) if outputs.ndim == 2 else torch.zeros(len(outputs), device=outputs.device)
