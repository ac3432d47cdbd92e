"""A user's own files for the command line's tests: a small net on easy pictures, and a recipe that takes seconds."""

from pathlib import Path

import yaml

TARGET = """
import torch
from torch import nn

import sparring


def model(seed=0):
    generator = torch.Generator().manual_seed(seed)
    layer = nn.utils.skip_init(nn.Linear, 16, 3)
    with torch.no_grad():
        layer.weight.copy_(0.1 * torch.randn(3, 16, generator=generator))
        layer.bias.zero_()
    return nn.Sequential(nn.Flatten(), layer)


def other():
    return model(1)


def box():
    return sparring.BlackBox(lambda x: x.reshape(len(x), -1)[:, :3], 3)


def labels_only():
    return sparring.LabelBox(lambda x: x.reshape(len(x), -1)[:, :3].argmax(1), 3)


def broken():
    net = model()
    with torch.no_grad():
        net[1].weight.fill_(float("nan"))
    return net


class Halves(nn.Module):
    def forward(self, inputs):
        return inputs.flatten(1)[: len(inputs) // 2, :3]


def halves():
    return Halves()


def train():
    return cases(120, 0)


def test():
    return cases(24, 1)


def cases(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = 0.3 + 0.1 * torch.rand(count, 1, 4, 4, generator=generator)
    for k in range(3):
        images[labels == k, 0, k] += 0.3
    return images, labels


def nan():
    images, labels = test()
    images[3, 0, 0, 0] = float("nan")
    return images, labels


def bytes_():
    images, labels = test()
    return images * 255, labels


def mislabelled():
    images, labels = test()
    return images, labels + 1


def empty():
    images, labels = test()
    return images[:0], labels[:0]


number = 3
"""

RECIPE = """
name: sample
data: {train: target.py:train, test: target.py:test}
target: target.py:model
classes: 3
threat: {use: core.ball.LpBall, norm: inf, radius: 0.2}
defences:
  standard: &training
    use: plain.standard
    epochs: 4
    schedule: {use: core.schedule.Schedule, batch: 32, peak: 0.2}
    validation: {use: core.validation.Validation, share: 0.1, steps: 2}
  adversarial:
    <<: *training
    use: minimax.adversarial_training
    attack: {use: gradient.pgd, steps: 2}
attacks:
  - {use: gradient.pgd, steps: 5}
  - {use: query.square, queries: 20}
  - {use: physical.corruptions, kinds: [brightness], threat: {use: image.threat.Corruption, severity: 1}}
held_out: [query, corruption]
radii: [0.05]
limits:
  adversarial: {broken: 1.0, clean: 0.5}
threads: 1
"""


def write_sample(folder: Path, **changes: str) -> Path:
    """Both files in a folder; each change is the YAML of one key."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "target.py").write_text(TARGET)
    recipe = yaml.safe_load(RECIPE) | {key: yaml.safe_load(value) for key, value in changes.items()}
    path = folder / "sample.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path
