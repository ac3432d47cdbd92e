"""What each training costs, as a ratio to standard training, beside the floor that its passes set.

    SPARRING_DATA=folder python bench/speed_training.py [--autocast] [--cases 1280] [--repeats 5]

Every training goes once over the same Fashion-MNIST images with the same small net (two strided convolutions 32-64, 256
hidden; batch 128), without validation; the trainings take turns, so that other work on the machine meets all of
them, and each figure is a median over the turns. Time is processor time on one thread. "Bare" is a hand-written loop
of the same passes and nothing else; "floor" is what the passes would cost if an input-backward cost one forward and a
weight-backward two.

Results, 2026-11-23, AMD EPYC, 2 cores shared with other work (load about 6, so read these as +-10 %), Python 3.11, torch 2.13.0,
1,280 cases, medians of 3 turns; ratios to Standard, and in brackets ratio / floor. The float32 column is older than two
changes (cheaper seeding of each step; N-FGSM without clipping) that the bfloat16 column has; it has not been run again.

    training              floor    bfloat16 autocast              float32
    Standard               1.00          1.00 (1.00)          1.00 (1.00)
    Standard, EMA          1.00          1.05 (1.05)          1.03 (1.03)
    Standard, ShiftFlip    1.00          1.03 (1.03)          0.95 (0.95)
    Augmented              1.00          1.13 (1.13)          1.27 (1.27)
    Free-1                 1.00          1.21 (1.21)          1.16 (1.16)
    NFGSM                  1.67          1.85 (1.11)          2.00 (1.20)
    FGSMRS                 1.67          1.77 (1.06)          1.79 (1.07)
    ATTA-1                 1.67          1.76 (1.06)          1.95 (1.17)
    PGD-7                  5.67          6.07 (1.07)          6.25 (1.10)
    PGD-10                 7.67          8.26 (1.08)          9.68 (1.26)
    TRADES-10              9.00         10.16 (1.13)         10.76 (1.20)
    MART-10                8.67          9.58 (1.11)         10.83 (1.25)
    PGD-10, AWP            8.67         10.00 (1.15)          9.76 (1.13)
    bare standard          1.00          0.85 (0.85)          0.82 (0.82)
    bare one step          1.67          1.60 (0.96)          1.51 (0.91)
    bare PGD-7             5.67          5.90 (1.04)          6.05 (1.07)
    bare PGD-10            7.67          8.07 (1.05)          7.52 (0.98)

In float32 the input-backward of this net's convolutions costs more than one forward on this processor: the bare loop
pays for it too. Against the bare loop PGD-7 costs 1.03 (both), and one-step training 1.1 to 1.3 times as much.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from small_net import small_net
from torch import Tensor
from torch.nn import functional

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.schedule import Schedule
from sparring.core.training import Training
from sparring.core.validation import Validation
from sparring.domains.image.data import fashion_mnist
from sparring.domains.image.target import Classifier
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.minimax.atta import ATTA
from sparring.train.minimax.fgsm_rs import FGSMRS
from sparring.train.minimax.free import Free
from sparring.train.minimax.mart import MART
from sparring.train.minimax.nfgsm import NFGSM
from sparring.train.minimax.trades import TRADES
from sparring.train.parts.ema import EMA
from sparring.train.parts.shift_flip import ShiftFlip
from sparring.train.parts.weight_perturbation import WeightPerturbation
from sparring.train.plain.augmented import Augmented
from sparring.train.plain.standard import Standard

BALL = LpBall("inf", 0.1)
BATCH = 128


def trainings(epochs: int) -> dict[str, tuple[Training, float]]:
    """Name -> the training and its floor in forwards per case and epoch."""
    same = {"epochs": epochs, "schedule": Schedule(batch=BATCH), "validation": Validation(share=0.0)}
    return {
        "Standard": (Standard(**same), 3),
        "Standard, EMA": (Standard(parts=[EMA()], **same), 3),
        "Standard, ShiftFlip": (Standard(parts=[ShiftFlip()], **same), 3),
        "Augmented": (Augmented(**same), 3),
        "Free-1": (Free(BALL, replays=1, **same), 3),
        "NFGSM": (NFGSM(BALL, **same), 5),
        "FGSMRS": (FGSMRS(BALL, **same), 5),
        "ATTA-1": (ATTA(BALL, **same), 5),
        "PGD-7": (AdversarialTraining(PGD(steps=7), BALL, **same), 17),
        "PGD-10": (AdversarialTraining(PGD(steps=10), BALL, **same), 23),
        "TRADES-10": (TRADES(PGD(steps=10), BALL, **same), 27),
        "MART-10": (MART(PGD(steps=10), BALL, **same), 26),
        "PGD-10, AWP": (AdversarialTraining(PGD(steps=10), BALL, parts=[WeightPerturbation()], **same), 26),
    }


def bare(inputs: Tensor, labels: Tensor, steps: int, autocast: bool) -> Callable[[], None]:
    """Plain training with `steps` sign steps inside, as short as it can be written."""
    torch.manual_seed(0)
    net = small_net()
    optimiser = Schedule().optimiser_of(net)

    def answer(batch: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return net(batch).float()

    def work() -> None:
        for index in torch.randperm(len(inputs)).split(BATCH):
            clean, wanted = inputs[index], labels[index]
            low, high = (clean - 0.1).clamp_(min=0), (clean + 0.1).clamp_(max=1)
            moved = clean + torch.empty_like(clean).uniform_(-0.1, 0.1) if steps else clean
            for _ in range(steps):
                moved.requires_grad_()
                loss = functional.cross_entropy(answer(moved), wanted, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, moved)
                moved = torch.clamp(moved.detach() + 0.25 / steps * gradient.sign(), low, high)
            optimiser.zero_grad()
            functional.cross_entropy(answer(moved), wanted).backward()
            optimiser.step()

    return work


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--autocast", action="store_true", help="bfloat16 inside the target")
    parser.add_argument("--cases", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = fashion_mnist("train", chosen.cases)
    target = Classifier(small_net(), 10, autocast=torch.bfloat16 if chosen.autocast else None)
    jobs: dict[str, tuple[Callable[[], object], float]] = {
        name: (lambda training=training: training.harden(target, data), floor)
        for name, (training, floor) in trainings(1).items()
    }
    for name, steps, floor in (
        ("bare standard", 0, 3),
        ("bare one step", 1, 5),
        ("bare PGD-7", 7, 17),
        ("bare PGD-10", 10, 23),
    ):
        jobs[name] = (bare(data.inputs, data.goals.labels, steps, chosen.autocast), floor)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(chosen.repeats + 1):
        for name, (job, _) in jobs.items():
            began = time.process_time()
            job()
            if turn:  # the first turn warms up
                seconds[name].append(time.process_time() - began)
    standard = statistics.median(seconds["Standard"])
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, autocast {chosen.autocast}, "
          f"{chosen.cases} cases, {chosen.repeats} turns, standard {standard:.2f} s")  # fmt: skip
    print(f"{'training':22} {'seconds':>8} {'/ standard':>10} {'floor':>6} {'/ floor':>8}")
    for name, (_, floor) in jobs.items():
        median = statistics.median(seconds[name])
        ratio = median / standard
        print(f"{name:22} {median:8.2f} {ratio:10.2f} {floor / 3:6.2f} {ratio / (floor / 3):8.2f}")


if __name__ == "__main__":
    main()
