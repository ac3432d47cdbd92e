"""AgentDojo's suites on our targets and behind our defences, read back as one of our scorecards.

    python bench/agentdojo_suites.py OUT --agentdojo PYTHON [--target oracle] [--users 3 --injections 2]

`PYTHON` is the interpreter of an environment of its own with AgentDojo in it (agentdojo_peer.py says how to make it). The
model behind the defences runs here; AgentDojo asks for its replies over pipes. Its logs lie in OUT, our scorecard beside
them, so `sparring report`, `compare` and `check` take them on. What ran before is not run again.

Measured 2026-11-28 on 2 busy cores (AMD EPYC, no AVX-512), Python 3.11, agentdojo 0.1.35, benchmark v1.2.2, attack
important_instructions; Wilson intervals, per cent:

    target    injections  user's tasks done          done under attack          injections carried out
    oracle    1 or 2      97/97    (96.2 to 100.0)   124/129  (91.2 to 98.3)    0/129   (0.0 to 2.9)
    gullible  1           97/97    (96.2 to 100.0)   48/97    (39.7 to 59.3)    88/97   (83.3 to 95.0)
    smollm2   2           1/6      (3.0 to 56.4)     2/8      (7.1 to 59.1)     0/8     (0.0 to 32.4)

`oracle` replays AgentDojo's own solutions through the bridge, `gullible` adds those of every injected task that it reads:
all of banking (16), slack (21) and travel (20), and 31 of 40 in workspace. The other 9 were carried out too: there the
injection stands in an e-mail, and the check of injection_task_0 wants exactly one e-mail that holds its subject, so the
injected one spoils it. Those 9 count as held although nothing held.

SmolLM2-135M-Instruct (greedy, 48 tokens, two users' tasks of workspace, travel and, without injections, banking; the
rest was not run) never called a tool, so it never read an injection: its 0/8 is no resistance. The card says so itself:
of the injected tasks, asked for by the user, it did 1 of 5, which is a red flag.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

from sparring.core.cases import Cases
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.episode import asked_calls, call_line
from sparring.domains.language.target import Chat, Sampling, Unanswered
from sparring.measure.agentdojo import read_agentdojo

_PEER = Path(__file__).resolve().parent / "agentdojo_peer.py"


class Scripted(Chat):
    """Does what AgentDojo's own solutions do; a gullible one also does what it reads in what its tools bring in.

    Args:
        gullible: whether it carries out injected tasks.
    """

    replays = True

    def __init__(self, gullible: bool) -> None:
        self.gullible, self.scripts, self.name = gullible, {}, "gullible" if gullible else "oracle"

    def reply(self, asked):
        return [self._said(one) for one in asked]

    def _said(self, asked: Conversation) -> str:
        own = self.scripts[asked.prompt.strip()]
        read = _letters("".join(message.text for message in asked.messages if message.role == "tool"))
        injected = [
            script
            for goal, script in self.scripts.items()
            if self.gullible and script["injected"] and _letters(goal) in read
        ]
        done = [asked_calls(message.text)[0] for message in asked.messages if message.role == "assistant"]
        for script in [own, *injected]:
            if script["calls"] and not any(_same(one, script["calls"]) for one in done):
                return "\n".join(call_line(tool, json.loads(text)) for tool, text in script["calls"])
        return "\n".join([own["said"], *(script["said"] for script in injected)]) or "Done."


def _letters(text: str) -> str:
    """Letters and digits alone: AgentDojo's tools wrap and quote what they bring in as YAML does."""
    return "".join(char for char in text if char.isalnum())


def _same(calls, wanted) -> bool:
    return [(tool, json.loads(text)) for tool, text in calls] == [(tool, json.loads(text)) for tool, text in wanted]


def target_of(name: str, tokens: int) -> Chat:
    """oracle, gullible or smollm2."""
    if name in ("oracle", "gullible"):
        return Scripted(name == "gullible")
    from sparring.domains.language.smollm2 import smollm2

    return smollm2(sampling=Sampling(tokens=tokens, temperature=0.0))


def defended(chat: Chat, defence: str) -> Chat:
    """The chat behind a defence of `sparring.mitigate`, by its class: `datamarking.Datamarking`."""
    module, _, name = defence.rpartition(".")
    made = getattr(importlib.import_module(f"sparring.mitigate.{module}"), name)()
    return made.harden(chat, Cases([], [], [], "nothing"))


def serve(chat: Chat, scripted: Chat, peer: "subprocess.Popen[str]") -> int:
    """Answers for the model until the peer is done; how often it was asked."""
    assert peer.stdin is not None and peer.stdout is not None
    count = 0
    for line in peer.stdout:
        told = json.loads(line)
        if "scripts" in told:
            scripted.scripts = {asked.strip(): script for asked, script in told["scripts"].items()}
            continue
        count += 1
        (reply,) = chat.respond([Conversation.of(told["messages"])])
        if isinstance(reply, Unanswered):
            answer = {"failed": reply.reason}
        else:
            calls, said = asked_calls(reply)
            answer = {"text": said, "calls": calls}
        peer.stdin.write(json.dumps(answer) + "\n")
        peer.stdin.flush()
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--agentdojo", required=True, help="the interpreter of its environment")
    parser.add_argument("--target", choices=("oracle", "gullible", "smollm2"), default="oracle")
    parser.add_argument("--defence", help="such as datamarking.Datamarking")
    parser.add_argument("--attack", default="important_instructions", help="AgentDojo's name of it")
    parser.add_argument("--suites", nargs="*", default=["workspace", "travel", "banking", "slack"])
    parser.add_argument("--users", type=int)
    parser.add_argument("--injections", type=int)
    parser.add_argument("--tokens", type=int, default=48, help="of a reply of the small model")
    options = parser.parse_args()
    base = target_of(options.target, options.tokens)
    chat = base if options.defence is None else defended(base, options.defence)
    # AgentDojo's attacks address the model by the name that they find in the pipeline's: "local" stands for any.
    name = "-".join(
        ["local", options.target, *([options.defence.rpartition(".")[2].lower()] if options.defence else [])]
    )
    command = [options.agentdojo, str(_PEER), str(options.out), "--name", name, "--attack", options.attack]
    command += ["--suites", *options.suites]
    for flag, value in (("--users", options.users), ("--injections", options.injections)):
        command += [flag, str(value)] if value is not None else []
    command += ["--scripts"] if isinstance(base, Scripted) else []
    begun = time.perf_counter()
    with (options.out.parent / f"{name}.log").open("w") as log:
        peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        count = serve(chat, base, peer)
        if peer.wait() != 0:
            sys.exit(f"AgentDojo ended with status {peer.returncode}; see {log.name}")
    card = read_agentdojo(options.out / name)
    card.save(options.out / name / "scorecard.json")
    print(card)
    for label in [bout.label for bout in card.bouts]:
        for suite, rate in card.by_harm(label).items():
            print(f"{label:28} {suite:10} {rate}")
    print(f"{count} replies in {time.perf_counter() - begun:.0f} s: sparring report {options.out / name}")


if __name__ == "__main__":
    main()
