"""The contract of every repair of a chat: found by walking the folders, so a new one is tested when it is there.

Mitigations of image classifiers have tests of their own.
"""

import dataclasses

import pytest
import torch

from sparring.catalogue import entries
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import Incompatible, InvalidCases
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.spec import build, resolve, to_spec
from sparring.core.target import Target
from sparring.domains.image.target import Classifier
from sparring.domains.language.target import OpenChat, Sampling
from sparring.domains.language.toy import toy_aims, toy_model, toy_open_chat, toy_tokenizer
from sparring.mitigate.blocklist import Blocklist
from sparring.mitigate.stack import Stack
from sparring.mitigate.wrapped import Wrapped
from sparring.mitigate.wrapping import Wrapping
from sparring.train.feedback.without_data import WithoutData

BENIGN = ("What is a verb?", "How high is a hill?")
SMALL = {
    "benign": BENIGN, "epochs": 1, "steps": 2, "rank": 2, "demonstrations": 1, "characters": 300,
    "schedule": Schedule(batch=4, optimiser="adamw", peak=1e-2, weight_decay=0.0),
    "corpus": tuple(f"this is text number {k} of many" for k in range(6)), "remove": 2,
    "canaries": ("PARROT-7",), "text": "Be kind.", "copies": 3, "false_positives": 0.5,
}  # fmt: skip


def names():
    return sorted(
        entry.name
        for entry in entries("defences")
        if resolve(entry.name).__module__.startswith(("sparring.mitigate.", "sparring.train.feedback."))
        and not issubclass(resolve(entry.name).needs_target, Classifier)
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The toy model as a folder: what a recipe would name."""
    folder = tmp_path_factory.mktemp("base")
    toy_model().save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return str(folder)


def small(kind, base):
    takes = {field.name for field in dataclasses.fields(kind)}
    if kind is Stack:
        return Stack([small(resolve("feedback.safe_reply"), base), small(Blocklist, base)])
    return kind(**{key: value for key, value in {**SMALL, "base": base}.items() if key in takes})


def target(seed=0):
    return toy_open_chat(seed, sampling=Sampling(tokens=6))


def failures(count=3):
    return Cases([f"toy/{k}" for k in range(count)], [f"number {k}?" for k in range(count)], [None] * count)


def data_for(repair):
    """Failures, or untouched conversations for what finds or makes its own attacks."""
    return toy_aims(24) if repair.searches else failures()


def weights(chat):
    while isinstance(chat, Wrapped):
        chat = chat.inner
    return torch.cat([value.detach().flatten() for value in chat.model.state_dict().values()])


def test_the_walk_finds_the_repairs():
    found = names()
    for name in ("blocklist", "prompt_augmentation", "stack", "feedback.safe_reply", "feedback.unlikelihood"):
        assert name in found
    assert "detector" not in found


@pytest.mark.parametrize("name", names())
def test_repairs_keep_the_contract(name, base, tmp_path):
    kind = resolve(name)
    repair = small(kind, base)
    if kind is not Stack:
        kind()
    assert build(to_spec(repair)) == repair
    assert {"Paper:", "Differs:", "Cost:"} <= {word for word in kind.__doc__.split() if word.endswith(":")}
    original = target()
    before, fingerprint = weights(original), original.fingerprint()
    repaired = repair.harden(original, data_for(repair), seed=Seed(3), workspace=tmp_path)
    again = repair.harden(target(), data_for(repair), seed=Seed(3))
    assert torch.equal(weights(original), before)
    assert original.fingerprint() == fingerprint
    assert original.lineage == ()
    assert repaired.lineage[-1].notes
    learns_failures = not isinstance(repair, Wrapping) and not repair.searches
    assert repaired.lineage[-1].families == (("zero-shot",) if learns_failures else tuple(repair.families))
    assert isinstance(repaired.fingerprint(), str)
    assert torch.equal(weights(repaired), weights(again))
    assert repaired.fingerprint() == again.fingerprint()
    asked = ["number 1?", "hello"]
    assert repaired(asked) == again(asked) == [repaired([one])[0] for one in asked]


@pytest.mark.parametrize("name", names())
def test_repairs_stack_and_change_the_fingerprint(name, base):
    if resolve(name) in (Stack, WithoutData):
        pytest.skip("a stack of stacks; or it goes back to the base, whatever stands before it")
    repair = small(resolve(name), base)
    stacked = Stack([small(resolve("feedback.safe_reply"), base), repair]).harden(target(), data_for(repair))
    assert len(stacked.lineage) == 2
    assert stacked.fingerprint() != target().fingerprint()


class Mute(Target):
    def respond(self, inputs):
        return ["..."] * len(inputs)


@pytest.mark.parametrize("name", names())
def test_repairs_refuse_what_they_cannot_use(name, base):
    repair = small(resolve(name), base)
    with pytest.raises(Incompatible, match=r"needs a target whose weights are at hand|wraps a Chat target"):
        repair.harden(Mute(), failures())
    if isinstance(repair, Wrapping) and not repair.searches:
        assert repair.harden(target(), failures(0)).lineage  # it learns nothing
    else:
        with pytest.raises(InvalidCases, match=r"failures|benign conversations"):
            repair.harden(target(), failures(0))
    assert isinstance(repair, Defence)
    assert issubclass(type(target()), OpenChat)
