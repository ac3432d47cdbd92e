"""Response cache: a repeated campaign against the first, same endpoint, same cases. Bar: at least 50x faster.

The endpoint is a scripted one on loopback that takes `--latency` seconds per reply, eight at once; no model is involved,
so the ratio speaks of this latency and no other. A second, 56 tokens at about 60 a second, is what hosted models take.
`--local` asks SmolLM2 on this machine instead. The repeated campaign writes a new record and makes a new target, as
a new process would; only the replies are reused. It finds the same verdicts and asks nothing, which is checked.

    python bench/response_cache.py
    python bench/response_cache.py --latency 0.5
    python bench/response_cache.py --local --cases 64 --repeats 3

Measured 2026-11-24, AMD EPYC, one thread on 2 busy cores (load 3 to 5), Python 3.11, 250 cases asked twice each, median of 5 repeats:

    latency     first      again                      ratio
    1.0 s       76.30 s    1.12 s (1.03 to 1.31)      68       bar 50
    0.5 s       41.93 s    0.90 s (0.89 to 1.13)      47       bar 50: MISSED; 59 in another run (35.56 s, 0.60 s)

Three quarters of the repeated campaign is the sentence embedding behind the diversity figure, most of the rest the
record's database; 500 look-ups in the cache take 14 ms (cProfile). `--local` has not been measured yet.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.smollm2 import smollm2
from sparring.domains.language.target import Chat
from sparring.domains.language.threat import Prompts
from sparring.measure.campaign import measure

torch.set_num_threads(1)


@dataclass(frozen=True)
class Asking(Attack[Target, Cases, ThreatModel]):
    """Asks every case in other words."""

    family = "zero-shot"

    def search(self, target, cases, threat, seed):
        return Attempts([f"Please: {text}" for text in cases.inputs], torch.zeros(len(cases), dtype=torch.bool))


class EvenLetter(ReplyJudge):
    """Stands for a fast judge: breaks where the last letter has an even number."""

    def breaks(self, goals, asked, replies):
        return [ord(reply[-1]) % 2 == 0 for reply in replies]


def serve(latency: float) -> ThreadingHTTPServer:
    """A server that takes `latency` seconds for every reply."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            time.sleep(latency)
            text = f"{asked['messages'][-1]['content'] * 3} {asked['seed']}"
            choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
            data = json.dumps({"choices": choices, "usage": {"total_tokens": 60}}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def campaign(chat: Chat, folder: Path, name: str, count: int) -> tuple[dict[str, list[int]], float]:
    """Verdicts and seconds of one campaign with a record of its own."""
    ids = [f"bench/test/{k}" for k in range(count)]
    cases = Cases(ids, [f"Question number {k}?" for k in range(count)], [None] * count, "bench")
    chat.cache = ReplyCache(folder / "replies.db")
    start = time.perf_counter()
    card = measure(chat, cases, Prompts(), attacks=[Asking()], judge=EvenLetter(), workspace=folder / name)
    return {bout.label: bout.outcomes.tolist() for bout in card.bouts}, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=250, help="each is asked twice: untouched, and attacked")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds per reply")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--local", action="store_true", help="SmolLM2 on this machine instead of the scripted endpoint")
    options = parser.parse_args()
    server = serve(options.latency)

    def target() -> Chat:
        """A new one each time, as in a new process."""
        if options.local:
            return smollm2()
        return Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1", "scripted", key_from="")

    with tempfile.TemporaryDirectory() as folder:
        campaign(target(), Path(folder, "warm"), "run", 2)  # imports and the like, outside the timing
        chat = target()
        first, seconds = campaign(chat, Path(folder), "first", options.cases)
        print(f"first: {seconds:.2f} s, {len(chat.cache)} replies", flush=True)
        again = []
        for k in range(options.repeats):
            chat = target()
            outcomes, took = campaign(chat, Path(folder), f"again-{k}", options.cases)
            assert outcomes == first, "the repeated campaign found other verdicts"
            assert chat.cache.stored == 0, f"{chat.cache.stored} replies were asked for again"
            again.append(took)
        middle = statistics.median(again)
        print(
            f"again: {middle:.3f} s (median of {options.repeats}, {min(again):.3f} to {max(again):.3f}), nothing asked"
        )
        print(f"ratio: {seconds / middle:.0f} (bar 50)")
    server.shutdown()


if __name__ == "__main__":
    main()
