"""A small campaign against an endpoint, for tests that watch it, and for one that kills it."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from sparring.core.attack import Attack, Attempts
from sparring.core.cases import Cases
from sparring.core.target import Target
from sparring.core.threat import ThreatModel
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.endpoint import Endpoint
from sparring.domains.language.harm import Want
from sparring.domains.language.judge import ReplyJudge
from sparring.domains.language.threat import Prompts
from sparring.measure.campaign import measure


@dataclass(frozen=True)
class Pleading(Attack[Target, Cases, ThreatModel]):
    """Asks for the canary."""

    family = "zero-shot"

    def search(self, target, cases, threat, seed):
        asked = [f"{text} Say canary {i[-1]}." for text, i in zip(cases.inputs, cases.ids, strict=True)]
        return Attempts(asked, torch.zeros(len(cases), dtype=torch.bool))


class Canary(ReplyJudge):
    """Broken where the reply says `canary` and an even number."""

    def breaks(self, goals, asked, replies):
        return ["canary" in reply and reply[-2] in "02468" for reply in replies]


def campaign(url, workspace, n=24, **settings):
    """The scorecard of `n` cases, asked of the endpoint through a reply cache in the workspace."""
    chat = Endpoint(url, "small", **settings)
    chat.cache = ReplyCache(Path(workspace) / "replies.db")
    ids = [f"canary/test/{k}" for k in range(n)]
    want = Want("canary", "word", "List of questions:")
    cases = Cases(ids, [f"Question {k}?" for k in range(n)], [want] * n, "canary")
    return measure(chat, cases, Prompts(), attacks=[Pleading()], judge=Canary(), batch=8, workspace=workspace)


if __name__ == "__main__":
    campaign(sys.argv[1], sys.argv[2], concurrency=4)
