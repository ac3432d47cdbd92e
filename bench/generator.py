"""The generator attack: success and time beside FGSM and PGD, white box, black box and targeted, on Fashion-MNIST at Linf 0.1.

SPARRING_DATA=folder python bench/generator.py FOLDER
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

import sparring
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.attack.learned.distilled import Distilled
from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.goal import ClassifyAs
from sparring.domains.image.nets import fashion_classifier
from sparring.domains.image.target import Classifier, LabelBox
from sparring.domains.image.weights import load_weights
from sparring.measure.statistics import wilson

BALL = sparring.LpBall("inf", 0.1)
_REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--learn", type=int, default=10_000, help="training images that the generator learns from")
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    learn, test = sparring.fashion_mnist("train", options.learn), sparring.fashion_mnist("test", 1000)
    generator = AdvGAN(epochs=options.epochs)
    print(f"{'net':13}{'attack':34}{'success':>26}{'s / 1,000':>11}{'learning s':>12}{'pays after':>12}")
    for kind in ("standard", "adversarial"):
        target = fashion_classifier()
        load_weights(target.module, options.run / kind / "weights.safetensors")
        reference = row(kind, "PGD-40", sparring.PGD(steps=40), target, learn, test)
        row(kind, "FGSM", sparring.FGSM(), target, learn, test)
        row(kind, "Universal", sparring.Universal(), target, learn[:1000], test)
        row(kind, "AdvGAN", generator, target, learn, test, reference)
        row(kind, "AdvGAN, realism 1", replace(generator, realism=1.0), target, learn, test, reference)
        boxed = LabelBox(lambda x, target=target: target(torch.from_numpy(x)).argmax(1), 10)
        row(kind, "AdvGAN on a copy, scores", Distilled(generator), target, learn, test)
        row(kind, "AdvGAN on a copy, labels", Distilled(generator), boxed, learn, test)
        row(kind, "FGSM on a copy, scores", Distilled(sparring.FGSM()), target, learn, test)
        aimed = row(kind, "PGD-40, targeted", sparring.PGD(steps=40), target, aiming(learn), aiming(test))
        row(kind, "AdvGAN, targeted", generator, target, aiming(learn), aiming(test), aimed)


def row(
    net: str, name: str, attack: Attack, target: Classifier | LabelBox, learn: Cases, test: Cases, beside: float = 0.0
) -> float:
    """Prints one row; seconds of processor time per 1,000 attempts."""
    begun = time.process_time()
    ready = attack.prepare(target, learn, BALL)
    learning = time.process_time() - begun if attack.learns else 0.0
    fine = target(test.inputs)
    fine = (fine if fine.ndim == 1 else fine.argmax(1)) == test.goals.labels
    cases = test[fine]
    times = []
    for _ in range(_REPEATS):
        begun = time.process_time()
        attempts = ready.run(target, cases, BALL)
        times.append((time.process_time() - begun) / len(cases) * 1000)
    found = int((cases.goals.reached(target(attempts.inputs)) & BALL.admits(cases, attempts.inputs)).sum())
    low, high = wilson(found, len(cases))
    seconds = sorted(times)[_REPEATS // 2]
    told = f"{found} / {len(cases)} = {100 * found / len(cases):.1f} ({100 * low:.1f}-{100 * high:.1f})"
    pays = f"{1000 * learning / (beside - seconds):,.0f}" if learning and beside > seconds else ""
    print(
        f"{net:13}{name:34}{told:>26}{seconds:>11.2f}{learning:>12.1f}{pays:>12}  {'; '.join(ready.notes)}", flush=True
    )
    return seconds


def aiming(cases: Cases) -> Cases:
    """The same cases, each with a class that the adversary wants: the one after its label."""
    labels = cases.goals.labels
    return Cases(cases.ids, cases.inputs, ClassifyAs((labels + 1) % 10, labels), cases.name)


if __name__ == "__main__":
    main()
