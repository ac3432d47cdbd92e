"""What the benches share: three nets, test images as files, our suites as a cascade, a peer in its own environment."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from small_net import net_of, small_net

from sparring.core.attack import Attack
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.seed import Seed
from sparring.domains.image.data import fashion_mnist
from sparring.domains.image.target import Classifier

RADIUS = {"inf": 0.1, 2: 1.5}
NETS = ("standard", "nfgsm", "pgd")
_HERE = Path(__file__).resolve().parent


def net_file(folder: Path, kind: str, widths: tuple[int, int, int] = (32, 64, 256)) -> Path:
    """Trains the net on Fashion-MNIST if the folder does not hold it: 4 epochs standard, 6 N-FGSM, 4 PGD-5."""
    path = folder / f"{kind}.safetensors"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    data = fashion_mnist("train")
    labels = data.goals.labels
    torch.manual_seed(0)
    net = small_net(*widths)
    epochs, steps = {"standard": (4, 0), "nfgsm": (6, 1), "pgd": (4, 5)}[kind]
    optimiser = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    total = epochs * (len(labels) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=total)
    radius, clean_loss = RADIUS["inf"], torch.nn.functional.cross_entropy
    for _ in range(epochs):
        for rows in torch.randperm(len(labels))[: total // epochs * 128].split(128):
            images, truth = data.inputs[rows], labels[rows]
            spread = 2 * radius if steps == 1 else radius
            change = torch.empty_like(images).uniform_(-spread, spread) if steps else torch.zeros_like(images)
            for _ in range(steps):
                change.requires_grad_()
                (slope,) = torch.autograd.grad(clean_loss(net(images + change), truth), change)
                change = change.detach() + (radius if steps == 1 else radius / 3) * slope.sign()
                if steps > 1:  # N-FGSM leaves its noise outside the ball
                    change = (images + change.clamp(-radius, radius)).clamp(0, 1) - images
            optimiser.zero_grad()
            clean_loss(net(images + change), truth).backward()
            optimiser.step()
            schedule.step()
    save_file(net.state_dict(), path)
    return path


def load_target(path: Path) -> Classifier:
    """The net behind one of the files, as a target."""
    return Classifier(net_of(load_file(path)), 10)


def write_cases(folder: Path, count: int) -> Cases:
    """The first test images, also as inputs.npy and labels.npy for the peer."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = fashion_mnist("test", count)
    np.save(folder / "inputs.npy", cases.inputs.numpy())
    np.save(folder / "labels.npy", cases.goals.labels.numpy())
    return cases


def cascade(
    attacks: tuple[Attack, ...], target: Classifier, cases: Cases, threat: LpBall, batch: int
) -> tuple[np.ndarray, dict[str, float]]:
    """Every attack on what the ones before left, then asked again: robust flags, shape (case,), and seconds by attack."""
    robust = ~cases.goals.reached(target(cases.inputs))
    seconds: dict[str, float] = {}
    for attack in attacks:
        begun = time.perf_counter()
        for rows in robust.nonzero().squeeze(1).split(batch):
            part = cases[rows]
            attempts = attack.run(target, part, threat, seed=Seed(0))
            broken = part.goals.reached(target(attempts.inputs)) & threat.admits(part, attempts.inputs)
            robust[rows] = ~broken
        seconds[attack.name] = time.perf_counter() - begun
    return robust.numpy(), seconds


def peer(folder: Path, net: Path, tool: str, norm: str | int, batch: int, *attacks: str) -> tuple[np.ndarray, dict]:
    """A peer's robust flags, shape (case,), and its "seconds" (wall clock) and "cpu" seconds; what was run before is
    read from the folder."""
    out = folder / "-".join(["peer", tool, net.stem, str(norm), *attacks])
    if not out.with_suffix(".json").exists():
        python = os.environ.get("SPARRING_PEER")
        if not python:
            sys.exit("set SPARRING_PEER to the peer environment's python; bench/peer.py says how to make it.")
        command = [python, str(_HERE / "peer.py"), str(folder), str(net), "--tool", tool]
        command += ["--norm", "Linf" if norm == "inf" else "L2", "--radius", str(RADIUS[norm])]
        command += ["--batch", str(batch), "--threads", str(torch.get_num_threads()), "--out", str(out)]
        subprocess.run([*command, "--attacks", *attacks] if attacks else command, check=True)
    return np.load(out.with_suffix(".npy")), json.loads(out.with_suffix(".json").read_text())
