"""Runs a peer's AutoAttack in the peer's own environment, on a net and inputs from files.

Called by strength.py and speed_attacks.py with the interpreter that SPARRING_PEER names:

    python -m venv peer && peer/bin/pip install torch numpy scipy safetensors
    peer/bin/pip install --no-deps torchattacks pyautoattack
    export SPARRING_PEER=peer/bin/python
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from small_net import net_of


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="holds inputs.npy and labels.npy")
    parser.add_argument("net", type=Path)
    parser.add_argument("--tool", choices=("pyautoattack", "torchattacks", "torchattacks-100"))
    parser.add_argument("--norm", choices=("Linf", "L2"))
    parser.add_argument("--radius", type=float)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--attacks", nargs="*", help="only these of pyautoattack's")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    inputs = torch.from_numpy(np.load(options.folder / "inputs.npy"))
    labels = torch.from_numpy(np.load(options.folder / "labels.npy"))
    net = net_of(load_file(options.net)).eval()
    with torch.no_grad():
        net(inputs[: options.batch])
    begun, worked = time.perf_counter(), time.process_time()
    attacked = (_pyautoattack if options.tool == "pyautoattack" else _torchattacks)(net, inputs, labels, options)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    with torch.no_grad():
        robust = net(attacked).argmax(1) == labels
    change = (attacked - inputs).flatten(1)
    size = change.abs().amax(1) if options.norm == "Linf" else change.norm(dim=1)
    robust |= (size > options.radius * (1 + 1e-5) + 1e-6) & (net(inputs).argmax(1) == labels)
    np.save(options.out.with_suffix(".npy"), robust.numpy())
    record = {"seconds": seconds, "cpu": cpu, "robust": float(robust.float().mean()), "torch": torch.__version__}
    options.out.with_suffix(".json").write_text(json.dumps(record))


def _pyautoattack(net: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor, options: argparse.Namespace):
    from pyautoattack import AutoAttack

    chosen = {"version": "custom", "attacks": options.attacks} if options.attacks else {"version": "standard"}
    attack = AutoAttack(net, norm=options.norm, eps=options.radius, seed=0, device="cpu", **chosen)
    if options.attacks:  # the custom version has other defaults than the standard one
        attack.apgd.n_restarts = attack.fab.n_restarts = 1
    return attack.run_standard_evaluation(inputs, labels, batch_size=options.batch)[0]


def _torchattacks(net: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor, options: argparse.Namespace):
    from torchattacks import AutoAttack

    attack = AutoAttack(net, norm=options.norm, eps=options.radius, seed=0, n_classes=10)
    if options.tool.endswith("-100"):  # as shipped it takes ten steps where AutoAttack takes a hundred
        for stage in attack._autoattack.attacks[:3]:
            stage.steps = 100
    parts = zip(inputs.split(options.batch), labels.split(options.batch), strict=True)
    return torch.cat([attack(part, truth) for part, truth in parts])


if __name__ == "__main__":
    main()
