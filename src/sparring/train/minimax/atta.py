"""ATTA: each case's attack goes on from where it ended in the last epoch, so that one step an epoch is enough."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.target import Target
from sparring.core.threat import Projectable
from sparring.core.training import Batch, Part, Training


@dataclass(frozen=True)
class ATTA(Training):
    """Adversarial training whose perturbations are remembered by case and improved over the epochs.

    Paper: Zheng et al., 2020, arXiv:1912.11969, section 4.
    Differs: any norm; perturbations are never reset; augmentation, which the paper undoes before remembering, is
    refused. Needs two bytes per input number of memory (bfloat16), and as much in every checkpoint.
    Cost per case and epoch: `2 * steps + 3` forwards.

    Args:
        threat: what the adversary may do.
        steps: attack steps per epoch.
        step: step length / threat radius.
    """

    threat: Projectable = field()
    steps: int = 1
    step: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or not self.step > 0:
            raise InvalidSpec(f"ATTA needs 1 step or more of positive length; got {self.steps} and {self.step}.")

    def check(self, target: Target, data: Cases) -> None:
        super().check(target, data)
        moving = [part for part in self.parts if type(part).augment is not Part.augment]
        if moving:
            raise Incompatible(
                f"{self.name} remembers one change for each case, so the case must stay as it is; "
                f"got {type(moving[0]).__name__}. Leave it out, or use NFGSM."
            )

    def perturb(self, batch: Batch) -> Tensor:
        region = batch.threat.around(batch.inputs)
        index = batch.index.to(batch.inputs.device)
        change = batch.memory.get("change")
        if change is None:
            change = torch.full((batch.size, *batch.inputs.shape[1:]), torch.nan).to(
                batch.inputs.device, torch.bfloat16
            )
            batch.memory["change"] = change
        known = change[index].float()
        fresh = known.isnan()  # of cases that this training meets for the first time
        if bool(fresh.flatten(1).any()):
            known = torch.where(fresh, region.sample(batch.stream) - batch.inputs, known)
        moved = region.project_(known.add_(batch.inputs))
        for _ in range(self.steps):
            direction = region.steepest(batch.student.gradient(moved, batch.goals.loss).gradient)
            moved = region.project_(moved.add_(direction.mul_(batch.threat.radius * self.step)))
        change[index] = (moved - batch.inputs).to(torch.bfloat16)
        return moved
