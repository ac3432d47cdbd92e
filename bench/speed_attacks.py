"""Speed: PGD-40 against the bare loop, our suites against torchattacks' AutoAttack, as ratios within one run.

Bars: PGD-40 at most 1.05x the bare loop of forwards and input-backwards; `autoattack` at most 0.8x, `standard` at most
0.2x of torchattacks' AutoAttack. torchattacks 3.5.1 gives its three gradient attacks 10 steps, where AutoAttack has
100; both are timed, the second as `torchattacks-100`. Only the second does the same work.

    export SPARRING_DATA=...   # a folder with fashion-mnist/
    export SPARRING_PEER=...   # see bench/peer.py
    python bench/speed_attacks.py --images 200 --folder /tmp/sparring-bench

Measured 2026-11-23, AMD EPYC (Zen 4), one thread on 2 nearly idle cores, torch 2.13.0+cpu, torchattacks 3.5.1, N-FGSM net, Linf 0.1, 50 images:

    PGD-40 / bare loop, CPU time: 1.08, median of 14 pairs (bar 1.05: MISSED; 1.04 to 1.07 in earlier runs on 40 to 250 images)
    CPU s: autoattack 28, standard 7                                                                        bars 0.8, 0.2
      torchattacks-100 (the same work)   37: ratios 0.77 and 0.20 (wall clock the same)
      torchattacks as shipped            15: ratios 1.85 and 0.48

The bars for the suites are kept, just, against the same work, and MISSED against torchattacks as shipped, which takes a tenth of the gradient steps.
Of 28 s, Square takes 11.5, targeted FAB 9.4, targeted APGD 6.5, APGD 0.8: mostly the forwards and backwards that the protocol prescribes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import RADIUS, cascade, load_target, net_file, peer, write_cases

from sparring.attack.gradient.pgd import PGD
from sparring.attack.suite import autoattack
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.domains.image.target import Classifier

_REPEATS = 15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--net", default="nfgsm")
    parser.add_argument("--norms", nargs="*", default=["inf"])
    parser.add_argument("--only-pgd", action="store_true", help="leave the suites and the peer out")
    parser.add_argument("--folder", type=Path, required=True, help="for nets, inputs and the peer's answers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.folder / f"{options.images}-images-{options.threads}-threads"
    cases = write_cases(folder, options.images)
    path = net_file(options.folder / "nets", options.net)
    target = load_target(path)
    for norm in [norm if norm == "inf" else int(norm) for norm in options.norms]:
        threat = LpBall(norm, RADIUS[norm])
        print(f"L{norm} PGD-40 / bare loop: {pgd_ratio(target, cases, norm):.3f} (bar 1.05)", flush=True)
        if options.only_pgd:
            continue
        wall, cpu = {}, {}
        left = cases
        for name, stages in (("standard", autoattack().stages[:2]), ("rest", autoattack().stages[2:])):
            work = partial(cascade, stages, target, left, threat, options.batch)
            (robust, parts), wall[name], cpu[name] = timed(work)
            left = left[robust.nonzero()[0]]
            print(f"  ours, wall s: {', '.join(f'{part} {s:.1f}' for part, s in parts.items())}", flush=True)
        for tool in ("torchattacks", "torchattacks-100"):
            _, record = peer(folder, path, tool, norm, options.batch)
            for unit, ours, theirs in (("wall", wall, record["seconds"]), ("cpu", cpu, record["cpu"])):
                fast, full = ours["standard"], ours["standard"] + ours["rest"]
                print(
                    f"  {unit:4} s: autoattack {full:.0f}, standard {fast:.0f}, {tool} {theirs:.0f}: "
                    f"ratios {full / theirs:.2f} (bar 0.8) and {fast / theirs:.2f} (bar 0.2)",
                    flush=True,
                )


def pgd_ratio(target: Classifier, cases: Cases, norm: str | int) -> float:
    """CPU time of PGD-40 over that of as many forwards and input-backwards; median over pairs of runs that take turns.

    The radius is so small that nothing is fooled and leaves; the work per step does not depend on it.
    """
    cases = cases[(~cases.goals.reached(target(cases.inputs))).nonzero().squeeze(1)]
    threat, attack, inputs, goals = LpBall(norm, 1e-7), PGD(steps=40), cases.inputs, cases.goals
    net, labels = target.module, goals.labels

    def bare() -> None:
        moved = inputs
        for _ in range(attack.steps):
            leaf = moved.detach().requires_grad_()
            loss = torch.nn.functional.cross_entropy(net(leaf), labels, reduction="sum")
            torch.autograd.grad(loss, leaf)
        with torch.no_grad():
            net(moved)

    ours, floor = [], []
    for _ in range(_REPEATS):
        ours.append(timed(lambda: attack.run(target, cases, threat))[2])
        floor.append(timed(bare)[2])
    return statistics.median(one / other for one, other in zip(ours[1:], floor[1:], strict=True))


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work returns, its wall-clock seconds and its CPU seconds."""
    begun, worked = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - begun, time.process_time() - worked


if __name__ == "__main__":
    main()
