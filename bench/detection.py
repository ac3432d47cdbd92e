"""The detector: AUROC and share rejected for attacks that it learned from and attacks that it never saw, and what is left when each attack
knows of it.

    sparring run gan-digits --out RUN && python bench/detection.py gan-digits RUN
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
