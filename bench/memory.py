"""Peak memory of a campaign over 10^4 and over 10^5 cases that lie on disk.

Each size runs in a process of its own: `measure` with FGSM and PGD-2 at Linf 0.1 on 28 x 28 images read from a file, with a record on
disk (a memory map would count its pages as the process's own). The bar: the peak at 10^5 is at most 1.2 times the peak at 10^4.

    python bench/memory.py

Measured 2026-11-23, 2 cores of an AMD EPYC (Zen 4), CPU, Python 3.11, torch 2.13.0, one thread:

    10,000 cases   peak 352.9 MiB (254.6 before the campaign)
    100,000 cases  peak 364.4 MiB (261.4 before the campaign)
    ratio of peaks 1.033
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


class OnDisk:
    """Random images (1, 28, 28) in a file, read where they are asked for."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count = path, count
        draw = np.random.default_rng(0)
        with path.open("wb") as file:
            for start in range(0, count, 1000):
                file.write(draw.random((min(1000, count - start), 784), np.float32).tobytes())

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        positions = np.arange(self.count)[index]
        with self.path.open("rb") as file:
            images = np.empty((len(positions), 784), np.float32)
            for row, position in enumerate(positions):
                file.seek(int(position) * 784 * 4)
                images[row] = np.frombuffer(file.read(784 * 4), np.float32)
        return images.reshape(-1, 1, 28, 28)


def campaign(count: int) -> dict[str, float]:
    """Peak resident memory in MiB of one campaign, and what it decided."""
    import torch
    from torch import nn

    import sparring

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        images = OnDisk(Path(folder) / "images.bin", count)
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
        model = sparring.Classifier(net, classes=10)
        blocks = (torch.from_numpy(images[i : i + 500]) for i in range(0, count, 500))
        labels = np.concatenate([model(block).argmax(1).numpy() for block in blocks])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        card = sparring.measure(
            model,
            sparring.arrays(images, labels),
            sparring.LpBall("inf", 0.1),
            attacks=[sparring.FGSM(), sparring.PGD(steps=2)],
            workspace=Path(folder) / "record",
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"before": before, "peak": peak, "broken": card.worst().broken, "decided": card.worst().decided}


def main() -> None:
    sizes = (10_000, 100_000)
    found = []
    for size in sizes:
        command = [sys.executable, __file__, str(size)]
        found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        print(size, found[-1])
    print(f"ratio of peaks {found[1]['peak'] / found[0]['peak']:.3f} (bar 1.2)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(campaign(int(sys.argv[1]))))
    else:
        main()
