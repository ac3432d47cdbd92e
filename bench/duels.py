"""Generative adversarial training on digits: what turns, a pool of past generators and the gradient are worth, beside PGD training.

python bench/duels.py

Measured 2026-11-28, one thread on 2 cores of an AMD EPYC (Zen 4), Python 3.11, torch 2.13.0, one seed, 599 test images, Linf 0.12; held %, forwards per case and epoch
(the generator's passes, which are not metered, are in the seconds); "now", "first", "past": what the last generator breaks of the last and of the first classifier
kept, and the best past generator of the last one, % of the cases held back:

                                    clean %  standard %  forwards  seconds    now  first   past
    standard                           96.2        32.9       3.0      1.1
    PGD-3                              96.8        74.6       9.0      4.6
    PGD-7                              97.3        74.8      17.0      7.4
    generator, 1 turn, no pool         97.3        61.3       4.0      6.2   16.5   25.7    9.4
    generator, 1 turn, pool of 5       96.8        60.3       4.0      8.4   10.2   24.3   10.2
    generator, 3 turns, no pool        97.2        64.9       8.0     13.6   11.0   36.9   11.8
    generator, 3 turns, pool of 5      97.3        60.9       8.0     14.8   15.0   40.0   15.7
    generator sees gradient, 1 turn    97.8        73.1       6.0      9.2   21.3   36.2   21.3

PGD-3 takes less time than any generator and holds more. Nothing cycled, and the pool is worth nothing here.
"""

import torch

import sparring
from sparring.core.defence import Defence
from sparring.core.schedule import Schedule
from sparring.domains.image.nets import digits_net
from sparring.train.generative.generative_training import GenerativeTraining

BALL = sparring.LpBall("inf", 0.12)
SHARED = {"epochs": 20, "schedule": Schedule(batch=64, peak=0.05)}
_SEEDS = 1


def main() -> None:
    torch.set_num_threads(1)
    rows: dict[str, Defence] = {
        "standard": sparring.Standard(**SHARED),
        "PGD-3": sparring.AdversarialTraining(sparring.PGD(steps=3), BALL, **SHARED),
        "PGD-7": sparring.AdversarialTraining(sparring.PGD(steps=7), BALL, **SHARED),
        "generator, 1 turn, no pool": GenerativeTraining(BALL, turns=1, pool=0, **SHARED),
        "generator, 1 turn, pool of 5": GenerativeTraining(BALL, turns=1, **SHARED),
        "generator, 3 turns, no pool": GenerativeTraining(BALL, turns=3, pool=0, **SHARED),
        "generator, 3 turns, pool of 5": GenerativeTraining(BALL, turns=3, **SHARED),
        "generator sees gradient, 1 turn": GenerativeTraining(BALL, turns=1, sees_gradient=True, **SHARED),
    }
    learned = len(sparring.Validation().split(sparring.digits("train"))[0])
    train, test = sparring.digits("train"), sparring.digits("test")
    print(
        f"{'training, one seed':34}{'clean %':>9}{'standard %':>12}{'forwards':>10}{'seconds':>9}{'now':>7}{'first':>7}{'past':>7}"
    )
    for name, defence in rows.items():
        found = []
        for seed in range(_SEEDS):
            hard = defence.harden(sparring.Classifier(digits_net(seed), classes=10), train, seed=seed)
            card = sparring.measure(hard, test, BALL, suite="standard", seed=seed)
            step = hard.lineage[-1]
            last = step.history[-1]
            duel = [100 * last.get(f"attacker_{key}", float("nan")) for key in ("now", "first", "past")]
            found.append(
                [
                    100 * card.clean.held,
                    100 * card.worst().held,
                    step.forwards / learned / SHARED["epochs"],
                    step.seconds,
                    *duel,
                ]
            )
            for note in step.notes:
                if not note.startswith("kept"):
                    print(f"    seed {seed}: {note}")
        means = torch.tensor(found).mean(0).tolist()
        print(
            f"{name:34}{means[0]:>9.1f}{means[1]:>12.1f}{means[2]:>10.1f}{means[3]:>9.1f}"
            + "".join(f"{one:>7.1f}" for one in means[4:]),
            flush=True,
        )


if __name__ == "__main__":
    main()
