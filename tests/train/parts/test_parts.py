"""Parts: averaging, weight perturbation, shifts and ramps against their closed forms."""

import pytest
import torch
from torch import nn

from sparring.attack.gradient.fgsm import FGSM
from sparring.core.errors import Incompatible
from sparring.core.fit import fit
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.training import Batch
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.minimax.nfgsm import NFGSM
from sparring.train.parts.ema import EMA
from sparring.train.parts.radius_ramp import RadiusRamp
from sparring.train.parts.shift_flip import ShiftFlip
from sparring.train.parts.swa import SWA
from sparring.train.parts.weight_perturbation import WeightPerturbation
from tests.core.test_fit import PLAIN, Regression
from tests.train.lessons import ONE_STEP, UNBOUNDED, cases, linear, weights


class Recorded(Regression):
    """Remembers its first weights after every step."""

    def __init__(self, part):
        super().__init__()
        self.part, self.seen = part, []

    def average(self, step, total, per_epoch):
        self.seen.append(self.module[0].weight.detach().clone())
        return self.part.average(step, total, per_epoch)


def test_ema_forgets_by_its_decay_once_it_is_old():
    assert EMA(0.9).average(1, 1000, 10) == pytest.approx(1 - 2 / 11)
    assert EMA(0.9).average(500, 1000, 10) == pytest.approx(0.1)


def test_ema_equals_its_closed_form_sum():
    """With a decay that is reached at once, the average is the sum of 0.9 ** age * 0.1 over all steps."""
    learner = Recorded(EMA(0.1))
    fit(learner, epochs=3, schedule=PLAIN)
    last = len(learner.seen) - 1
    closed = 0.1**last * learner.seen[0]
    for step in range(1, last + 1):
        closed = closed + 0.9 * 0.1 ** (last - step) * learner.seen[step]
    assert torch.allclose(learner.module[0].weight, closed, atol=1e-6)


def test_swa_is_the_mean_of_the_later_epochs_ends():
    learner = Recorded(SWA(start=0.5))
    fit(learner, epochs=6, schedule=PLAIN)
    ends = [learner.seen[3 * epoch + 2] for epoch in (3, 4, 5)]
    assert torch.allclose(learner.module[0].weight, torch.stack(ends).mean(0), atol=1e-6)


def test_weight_perturbation_takes_the_gradient_uphill_and_comes_back():
    """On the loss a/2 * |w|^2 the gradient at w * (1 + gamma) is a * w * (1 + gamma)."""
    module = nn.Linear(3, 2, bias=False)
    before = module.weight.detach().clone()

    def backward():
        (1.5 * module.weight.square().sum()).backward()
        return {}

    WeightPerturbation(gamma=0.2).backward(module, backward, done=0.5)
    assert torch.equal(module.weight, before)
    assert torch.allclose(module.weight.grad, 3.0 * before * 1.2, atol=1e-5)


def test_weight_perturbation_of_nothing_or_before_its_start_changes_nothing():
    target = linear()
    hardened = [
        AdversarialTraining(FGSM(), UNBOUNDED, parts=parts, **ONE_STEP).harden(target, cases())
        for parts in ([], [WeightPerturbation(gamma=0.0)], [WeightPerturbation(gamma=0.1, start=0.5)])
    ]
    assert torch.equal(weights(hardened[0]), weights(hardened[1]))
    assert torch.equal(weights(hardened[0]), weights(hardened[2]))


def test_weight_perturbation_leaves_running_statistics_to_the_second_pass():
    norm = nn.BatchNorm1d(3, momentum=1.0)
    module = nn.Sequential(nn.Linear(3, 3), norm)
    inputs, calls = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), []

    def backward():
        module(inputs).square().sum().backward()
        calls.append(int(norm.num_batches_tracked))
        return {}

    WeightPerturbation(gamma=0.1).backward(module, backward, done=0.0)
    assert calls == [1, 1]


def test_shifts_move_by_whole_pixels_and_flips_mirror():
    images = torch.rand(200, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    moved = ShiftFlip(pixels=1).augment(images, Seed(0).stream([str(i) for i in range(200)]))
    assert torch.equal(images, before)
    padded = nn.functional.pad(images, [1] * 4)
    found = set()
    for dy in range(3):
        for dx in range(3):
            for flip in (False, True):
                candidate = padded.flip(3) if flip else padded
                # a shift of the mirrored image, counted from the other side
                same = (moved == candidate[:, :, dy : dy + 5, dx : dx + 6]).flatten(1).all(1)
                found |= {(i, dy, dx, flip) for i in same.nonzero().flatten().tolist()}
    assert {i for i, *_ in found} == set(range(200))
    assert len({kind for _, *kind in map(tuple, found) for kind in [tuple(kind)]}) == 18


def test_shifts_of_a_case_do_not_depend_on_its_batch():
    images = torch.rand(10, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    stream = Seed(0).stream([str(i) for i in range(10)])
    whole = ShiftFlip().augment(images, stream)
    assert torch.equal(whole[3:7], ShiftFlip().augment(images[3:7], stream[3:7]))


def test_shifts_refuse_what_is_not_an_image():
    with pytest.raises(Incompatible, match="ShiftFlip needs images"):
        ShiftFlip().augment(torch.rand(2, 5), Seed(0).stream(["a", "b"]))


def test_a_ramp_grows_the_radius_linearly():
    ramp = RadiusRamp(until=0.5)
    assert [ramp.radius(done) for done in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]


def test_a_ramp_reaches_the_attack_inside_the_step():
    seen = []

    class Watching(NFGSM):
        def perturb(self, batch: Batch):
            seen.append(batch.threat.radius)
            return super().perturb(batch)

    settings = {**ONE_STEP, "epochs": 4, "schedule": Schedule(batch=1000)}
    Watching(UNBOUNDED, parts=[RadiusRamp(until=0.5)], **settings).harden(linear(), cases())
    assert seen == pytest.approx([0.0, 0.025, 0.05, 0.05])
