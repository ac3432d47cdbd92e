"""The detector: AUROC and share rejected for attacks that it learned from and attacks that it never saw, and what is left when each attack
knows of it.

    sparring run gan-digits --out RUN && python bench/detection.py gan-digits RUN

Measured 2026-11-28, one thread on 2 shared cores of an AMD EPYC (Zen 4), Python 3.11, torch 2.13.0, seed 0; 95 % Wilson intervals. Both detectors learned from AdvGAN and
PGD-10, set to 1 % false positives. Cases: test images that the net gets right and the detector lets pass.

digits, Linf 0.12; untouched test images rejected 5/599 0.8 (0.4-1.9):

    attack                    family     seen    AUROC       rejected %        broken, oblivious %   broken, adaptive %
    AdvGAN                    generator  yes     0.994   88.0 (85.0-90.4)      4.5 (3.1-6.6)       20.2 (17.2-23.7)
    FGSM                      gradient   yes     0.992   85.7 (82.6-88.3)      7.2 (5.3-9.6)       24.3 (20.9-27.9)
    PGD-10                    gradient   yes     0.994   90.6 (87.9-92.7)      4.7 (3.3-6.8)       57.4 (53.3-61.4)
    PGD-40                    gradient   yes     0.995   90.6 (87.9-92.7)      5.1 (3.5-7.2)       57.6 (53.5-61.6)
    APGD-CE                   gradient   yes     0.993   87.3 (84.3-89.7)      8.9 (6.8-11.5)      58.5 (54.4-62.4)
    FMN, nearest boundary     gradient   yes     0.962   70.2 (66.3-73.8)     25.5 (22.1-29.2)     53.4 (49.3-57.5)
    Universal                 universal  no      0.989   84.8 (81.6-87.5)      2.1 (1.2-3.6)       15.4 (12.6-18.5)
    Square, 500 queries       query      no      0.979   80.6 (77.2-83.7)     15.0 (12.3-18.2)     58.1 (54.0-62.1)
    uniform noise, 10 draws   noise      no      0.991   87.8 (84.8-90.2)      0.7 (0.3-1.8)        0.7 (0.3-1.8)

Fashion-MNIST, Linf 0.1; untouched test images rejected 5/500 1.0 (0.4-2.3):

    AdvGAN                    generator  yes     0.999  100.0 (99.1-100.0)     0.0 (0.0-0.9)       80.5 (76.6-84.0)
    FGSM                      gradient   yes     1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)        1.6 (0.8-3.2)
    PGD-10                    gradient   yes     1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)       92.8 (90.0-94.8)
    PGD-40                    gradient   yes     1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)       93.7 (91.0-95.6)
    APGD-CE                   gradient   yes     1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)       95.0 (92.6-96.7)
    FMN, nearest boundary     gradient   yes     0.946   63.6 (59.0-67.9)     36.4 (32.1-41.0)     93.2 (90.5-95.2)
    Universal                 universal  no      1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)       33.0 (28.8-37.5)
    Square, 500 queries       query      no      0.999   98.6 (97.1-99.4)      1.4 (0.6-2.9)       69.7 (65.2-73.8)
    uniform noise, 10 draws   noise      no      1.000  100.0 (99.1-100.0)     0.0 (0.0-0.9)        0.0 (0.0-0.9)

It sees what fills the ball, whatever made it, noise too; what stays near the boundary (FMN) passes more often; and it falls to any search that climbs its score.
"""

import argparse
from pathlib import Path

import torch

import sparring
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.config import read_recipe
from sparring.domains.image.guarded import Guarded, auroc
from sparring.domains.image.saving import load_target
from sparring.measure.statistics import wilson

ATTACKS = {
    "AdvGAN": AdvGAN(),
    "FGSM": sparring.FGSM(),
    "PGD-10": sparring.PGD(steps=10),
    "PGD-40": sparring.PGD(steps=40),
    "APGD-CE": sparring.APGD(),
    "FMN, nearest boundary": sparring.FMN(steps=100),
    "Universal": sparring.Universal(),
    "Square, 500 queries": sparring.Square(queries=500),
    "uniform noise, 10 draws": sparring.UniformNoise(draws=10),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("run", type=Path, help="folder of the run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = read_recipe(options.recipe)
    train, test, threat = recipe.open_train(), recipe.open_test(), recipe.built_threat
    guarded = load_target(recipe.open_target(), options.run / "detector" / "weights.safetensors")
    assert isinstance(guarded, Guarded)
    seen = guarded.lineage[-1].families
    for note in guarded.lineage[-1].notes:
        print(note)
    learn = recipe.open_learn_from(train) or train
    bare = guarded.bare
    untouched = guarded.suspicion(test.inputs)
    rejected = untouched > guarded.threshold
    print(f"untouched test images rejected: {told(int(rejected.sum()), len(test))}")
    cases = test[~test.goals.reached(bare(test.inputs)) & ~rejected]
    facing = guarded.place(cases)
    print(
        f"{'attack':26}{'family':11}{'seen':6}{'AUROC':>7}{'rejected':>26}{'broken, oblivious':>26}{'broken, adaptive':>26}"
    )
    for name, attack in ATTACKS.items():
        attempts = attack.prepare(bare, learn, threat).run(bare, cases, threat).inputs
        moved = (attempts != cases.inputs).flatten(1).any(1)
        scores = guarded.suspicion(attempts[moved])
        caught = int((scores > guarded.threshold).sum())
        oblivious = facing.goals.reached(guarded(attempts))
        known = attack.prepare(guarded, guarded.place(learn), threat).run(guarded, facing, threat).inputs
        adaptive = facing.goals.reached(guarded(known))
        print(
            f"{name:26}{attack.family:11}{'yes' if attack.family in seen else 'no':6}{auroc(untouched, scores):>7.3f}"
            f"{told(caught, len(scores)):>26}{told(int(oblivious.sum()), len(cases)):>26}"
            f"{told(int(adaptive.sum()), len(cases)):>26}",
            flush=True,
        )


def told(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count}/{of} {100 * count / of:.1f} ({100 * low:.1f}-{100 * high:.1f})"


if __name__ == "__main__":
    main()
