"""The starter: a commented recipe and a target file that run as they are and wait to be changed."""

from pathlib import Path

from sparring.core.errors import InvalidSpec

RECIPE = """\
# A recipe for sparring. It runs as it is (on scikit-learn's digits); make target.py return what is yours.
#   sparring run sparring.yaml
# A node such as {use: gradient.pgd, steps: 40} is a constructor call; `sparring list` names what there is.
name: first-bout
seed: 0            # the same seed gives the same result, however often the run was interrupted

data:              # functions that return (inputs, labels) or Cases; inputs in [0, 1]
  train: target.py:train
  test: target.py:test

target: target.py:model   # a torch.nn.Module, or a Target
classes: 10               # the number of logits
# weights: model.safetensors   # or a torch file that holds tensors alone

# What the adversary may change: at most so much per pixel. 8/255 is a number here.
threat: {use: core.ball.LpBall, norm: inf, radius: 0.1}

# Each defence starts from the same target. null measures the target as it is.
defences:
  standard: {use: plain.standard, epochs: 10}
  adversarial:
    use: minimax.adversarial_training
    attack: {use: gradient.pgd, steps: 7}
    epochs: 10

suite: standard    # autoattack takes longer and decides
attacks:           # beside the suite; each may bring a threat of its own
  - {use: query.square, queries: 200}
  - {use: physical.corruptions, threat: {use: image.threat.Corruption, severity: 1}}
held_out: [query, corruption]   # families that no defence here may learn from
radii: [0.05, 0.1, 0.2]         # points of the robustness curve

# What `sparring check sparring-runs/first-bout --recipe sparring.yaml` expects, as shares.
limits:
  adversarial: {broken: 0.95, clean: 0.8}

batch: 256         # cases in flight at once
threads: 1         # small nets are fastest with one; leave it out for large ones
device: auto       # a GPU where there is one
"""

TARGET = '''\
"""What sparring.yaml works on. Replace the three functions by your own model and data."""

import torch
from sklearn.datasets import load_digits
from torch import nn


def model() -> nn.Module:
    """Maps inputs of shape (batch, channel, height, width) in [0, 1] to logits (batch, class).

    Normalisation belongs inside: return sparring.Classifier(net, classes=10, mean=..., std=...).
    """
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def train():
    """(inputs, labels) to learn from."""
    images, labels = digits()
    return images[:1200], labels[:1200]


def test():
    """(inputs, labels) to measure on; never those of train()."""
    images, labels = digits()
    return images[1200:1500], labels[1200:1500]


def digits():
    """8 x 8 grey digits in [0, 1], shape (batch, 1, 8, 8)."""
    found = load_digits()
    return torch.tensor(found.images / 16, dtype=torch.float32)[:, None], found.target
'''


def write_starter(folder: Path) -> tuple[Path, Path]:
    """Writes `sparring.yaml` and `target.py`.

    Raises:
        InvalidSpec: if either is there already; nothing is overwritten.
    """
    files = {folder / "sparring.yaml": RECIPE, folder / "target.py": TARGET}
    there = [str(path) for path in files if path.exists()]
    if there:
        raise InvalidSpec(f"{' and '.join(there)} would be overwritten. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text)
    recipe, target = files
    return recipe, target
