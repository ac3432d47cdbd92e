"""The one optimisation loop: what it steps through, averages, keeps, resumes and refuses."""

import errno
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from sparring.core.errors import Diverged, InvalidSpec, RunMismatch, SparringError
from sparring.core.fit import Learner, fit
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed

PLAIN = Schedule(batch=4, peak=0.1, shape="constant", warmup=0.0, momentum=0.0, weight_decay=0.0)


class Regression(Learner):
    """A small net with dropout and batch statistics, fitted to numbers; every step is written down."""

    def __init__(self, size=10, average=None, repeats=1, scores=None, fails_at=None):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3), nn.Linear(4, 1))
        drawn = torch.Generator().manual_seed(1)
        self.inputs, self.values = torch.randn(size, 3, generator=drawn), torch.randn(size, 1, generator=drawn)
        self.size, self.repeats, self.steps, self.told = size, repeats, [], 0
        self._average, self._scores, self._fails_at = average, scores, fails_at

    def backward(self, step):
        self.steps.append(step)
        loss = (self.module(self.inputs[step.index]) - self.values[step.index]).square().sum()
        if step.number == self._fails_at:
            loss = loss * math.nan
        loss.backward()
        self.told += len(step.index)
        return {"loss": loss.detach()}

    def average(self, step, total, per_epoch):
        return self._average(step, total, per_epoch) if self._average else 0.0

    def validate(self):
        return {} if self._scores is None else {"score": self._scores[self.steps[-1].epoch]}

    def state(self):
        return {"told": self.told}

    def restore(self, state):
        self.told = state["told"]


class Interrupting:
    """A progress sink that presses Ctrl-C after so many steps."""

    def __init__(self, after):
        self.after = after

    def start(self, name, total):
        pass

    def advance(self, name, amount=1, note=""):
        self.after -= amount
        if self.after == 0:
            signal.raise_signal(signal.SIGINT)


def weights(learner):
    return torch.cat([value.flatten().float() for value in learner.module.state_dict().values()])


def test_every_epoch_deals_each_case_once_in_another_order():
    learner = Regression(size=10)
    fit(learner, epochs=3, schedule=PLAIN)
    epochs = [torch.cat([s.index for s in learner.steps if s.epoch == e]).tolist() for e in range(3)]
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1]
    assert {len(step.index) for step in learner.steps} == {3, 4}  # nearly equal, none tiny


def test_repeats_stay_on_a_batch():
    learner = Regression(size=8, repeats=3)
    fit(learner, epochs=1, schedule=PLAIN)
    assert [s.index.tolist() for s in learner.steps[:3]] == [learner.steps[0].index.tolist()] * 3
    assert len(learner.steps) == 6


def test_one_step_is_plain_gradient_descent():
    learner = Regression(size=4)
    learner.module = nn.Linear(3, 1)
    before = learner.module.weight.detach().clone()
    gradient = 2 * (learner.module(learner.inputs) - learner.values).T @ learner.inputs
    fit(learner, epochs=1, schedule=PLAIN)
    assert torch.allclose(learner.module.weight, before - 0.1 * gradient, atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not():
    learners = [Regression(), Regression(), Regression()]
    for learner, seed in zip(learners, (1, 1, 2), strict=True):
        fit(learner, epochs=2, schedule=PLAIN, seed=Seed(seed))
    assert torch.equal(weights(learners[0]), weights(learners[1]))
    assert not torch.equal(weights(learners[0]), weights(learners[2]))


def test_leaves_the_global_generators_and_the_signal_handler_alone():
    learner = Regression()
    before, handler = torch.random.get_rng_state(), signal.getsignal(signal.SIGINT)
    fit(learner, epochs=1, schedule=PLAIN)
    assert torch.equal(before, torch.random.get_rng_state())
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_history_holds_mean_losses():
    learner = Regression(size=4)
    learner.module = nn.Linear(3, 1)
    expected = (learner.module(learner.inputs) - learner.values).square().mean().item()
    fitted = fit(learner, epochs=2, schedule=PLAIN)
    assert fitted.history[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert [row["epoch"] for row in fitted.history] == [0, 1]


def test_keeps_the_best_epoch_and_writes_the_last_one_too(tmp_path):
    short = Regression(scores=[1.0, 3.0])
    fit(short, epochs=2, schedule=PLAIN)
    long = Regression(scores=[1.0, 3.0, 2.0])
    fitted = fit(long, epochs=3, schedule=PLAIN, folder=tmp_path)
    assert fitted.best == 1
    assert torch.equal(weights(long), weights(short))
    best, last = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("best", "last"))
    assert torch.equal(best["0.weight"], long.module[0].weight)
    assert not torch.equal(last["0.weight"], best["0.weight"])


def test_keeps_the_last_epoch_where_nothing_is_validated():
    assert fit(Regression(), epochs=3, schedule=PLAIN).best == 2


def test_the_average_follows_its_recurrence():
    seen = []

    class Watched(Regression):
        def average(self, step, total, per_epoch):
            seen.append(self.module[0].weight.detach().clone())
            return 0.25

    learner = Watched()
    fit(learner, epochs=2, schedule=PLAIN)
    expected = seen[0]
    for now in seen[1:]:
        expected = expected + 0.25 * (now - expected)
    assert torch.allclose(learner.module[0].weight, expected, atol=1e-6)


@pytest.mark.parametrize("stop", random.Random(0).sample(range(1, 15), 4))
def test_a_training_stopped_anywhere_resumes_to_the_bit_same_weights(stop, tmp_path):
    def learner():
        return Regression(average=lambda *_: 0.1, scores=[3.0, 2.0, 1.0, 2.0, 1.0])

    straight, stopped, resumed = learner(), learner(), learner()
    expected = fit(straight, epochs=5, schedule=Schedule(batch=4), seed=Seed(7))
    settings = {"epochs": 5, "schedule": Schedule(batch=4), "seed": Seed(7), "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt, match="Start the same training with the same workspace to go on"):
        fit(stopped, **settings, progress=Interrupting(stop))
    found = fit(resumed, **settings)
    assert len(stopped.steps) + len(resumed.steps) == len(straight.steps)
    assert torch.equal(weights(resumed), weights(straight))
    assert (found.best, resumed.told) == (expected.best, straight.told)
    assert [row["loss"] for row in found.history] == [row["loss"] for row in expected.history]


def test_a_training_killed_by_the_system_resumes_to_the_bit_same_weights(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import tests.conftest
        from tests.core.test_fit import PLAIN, Regression, fit

        class Killing(Regression):
            def backward(self, step):
                if step.number == 8:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().backward(step)

        fit(Killing(), epochs=4, schedule=PLAIN, folder=Path(sys.argv[1]), save_every=0.0)
        """
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    straight, resumed = Regression(), Regression()
    fit(straight, epochs=4, schedule=PLAIN)
    fit(resumed, epochs=4, schedule=PLAIN, folder=tmp_path)
    assert resumed.steps[0].number == 8
    assert torch.equal(weights(resumed), weights(straight))


def test_a_finished_training_is_not_done_again(tmp_path):
    first, second = Regression(), Regression()
    fit(first, epochs=2, schedule=PLAIN, folder=tmp_path)
    fit(second, epochs=2, schedule=PLAIN, folder=tmp_path)
    assert second.steps == []
    assert torch.equal(weights(first), weights(second))


def test_refuses_to_go_on_with_a_training_that_was_asked_for_something_else(tmp_path):
    fit(Regression(), epochs=1, schedule=PLAIN, folder=tmp_path, asked={"epochs": 1, "seed": 0})
    with pytest.raises(RunMismatch, match=r"asked for something else: epochs was 1, now 2\. Ask for the same"):
        fit(Regression(), epochs=2, schedule=PLAIN, folder=tmp_path, asked={"epochs": 2, "seed": 0})


def test_a_loss_that_is_not_finite_stops_and_the_last_good_state_is_kept(tmp_path):
    with pytest.raises(
        Diverged, match=r"stopped being finite in epoch 3\. Lower the schedule's peak .*last good state"
    ):
        fit(Regression(fails_at=7), epochs=4, schedule=PLAIN, folder=tmp_path, save_every=0.0)
    kept = torch.load(tmp_path / "training.pt", weights_only=True)
    assert kept["number"] == 7
    assert all(bool(torch.isfinite(value).all()) for value in kept["weights"].values())


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SparringError, match=r"cannot write .*: No space left on device\. Make room"):
        fit(Regression(), epochs=1, schedule=PLAIN, folder=tmp_path)


def test_ctrl_c_without_a_workspace_says_that_nothing_is_kept():
    with pytest.raises(KeyboardInterrupt, match="nothing is kept, for no workspace was named"):
        fit(Regression(), epochs=2, schedule=PLAIN, progress=Interrupting(2))


def test_refuses_no_epochs():
    with pytest.raises(InvalidSpec, match="1 epoch or more; got 0"):
        fit(Regression(), epochs=0)


def test_seconds_go_on_counting_over_interruptions(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        fit(Regression(), epochs=2, schedule=PLAIN, folder=tmp_path, progress=Interrupting(2))
    before = torch.load(tmp_path / "training.pt", weights_only=True)["seconds"]
    began = time.monotonic()
    total = fit(Regression(), epochs=2, schedule=PLAIN, folder=tmp_path).seconds
    assert before < total <= before + time.monotonic() - began
