"""A classifier and a generator that learn from each other: what each gains, what is remembered, what is refused."""

import math

import pytest
import torch

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Diverged, Incompatible, InvalidCases, InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.schedule import Schedule
from sparring.core.seed import Seed
from sparring.core.threat import AnyText
from sparring.core.training import Batch
from sparring.core.validation import Validation
from sparring.domains.image.data import digits
from sparring.domains.image.nets import digits_net
from sparring.domains.image.target import Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from sparring.train.generative.generative_training import Duel, GenerativeTraining
from sparring.train.plain.standard import Standard
from tests.train.lessons import small_net

BALL = LpBall("inf", 0.12)
SCHEDULE = Schedule(batch=64, peak=0.05)


@pytest.fixture(scope="module")
def trained():
    """The digits net after standard training and after a duel."""
    data = digits("train")
    duel = GenerativeTraining(BALL, epochs=8, schedule=SCHEDULE, width=2)
    return (
        Standard(epochs=4, schedule=SCHEDULE).harden(Classifier(digits_net(0), 10), data),
        duel.harden(Classifier(digits_net(0), 10), data),
    )


def test_holds_against_a_family_that_it_never_saw(trained):
    test = digits("test")[:200]
    held = [measure(target, test, BALL, attacks=[PGD(steps=20)]) for target in trained]
    assert held[1].clean.held > 0.8
    assert held[1].worst(held_out=True).held > held[0].worst().held + 0.1


def test_shows_both_curves_and_pictures(trained):
    step = trained[1].lineage[-1]
    best, last = max(row["attacker_now"] for row in step.history), step.history[-1]
    assert last["attacker_now"] < best
    assert last["attacker_first"] > last["attacker_now"]
    assert {"attacker_earlier", "attacker_past", "attacker_alike"} <= last.keys()
    assert step.panels[0].png
    assert step.families == ("generator",)


def lesson(**settings):
    still = Schedule(peak=0.1, weight_decay=0.0, shape="constant", warmup=0.0)
    base = {"epochs": 1, "validation": Validation(share=0.0), "width": 2, "turns": 1, "generator": still}
    return Duel(GenerativeTraining(BALL, **(base | settings)), small_net(), toy_images(8), Seed(0))


def toy_images(count):
    images = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Cases([f"x{k}" for k in range(count)], images, Misclassify(torch.arange(count) % 10))


def batch(duel, number=0):
    cases = duel.train
    stream = duel.streams.child(Seed(number))
    return Batch(
        duel.student, cases.inputs, cases.goals, cases.goals.labels, BALL, stream, torch.arange(8), 8, {}, cases.ids
    )


class At:
    done = 0.5


def test_the_generator_climbs_the_loss_of_the_classifier(trained):
    duel = lesson()
    duel.student = trained[0].copy()
    losses = []
    for _ in range(20):  # the classifier stands still, so what changes is the generator
        own = batch(duel)
        moved = duel.perturb(own)
        loss, _ = duel.loss(own, moved)
        loss.backward()
        duel.after(own, moved, At())
        losses.append(float(loss.detach()))
    assert losses[-1] > 1.1 * losses[0]


def test_a_share_of_the_batch_meets_past_generators_and_teaches_the_present_one_nothing():
    duel = lesson(share=0.5)
    duel.past = [duel._net(Seed(7)), duel._net(Seed(8))]
    own = batch(duel)
    moved = duel.perturb(own)
    assert 0 < int(duel.old.sum()) < 8
    apart = (moved.detach() - duel.written.detach()).flatten(1).abs().amax(1) > 1e-6
    assert torch.equal(apart, duel.old)
    loss, _ = duel.loss(own, moved)
    loss.backward()
    duel.old = torch.ones(8, dtype=torch.bool)
    before = [value.clone() for value in duel.current.parameters()]
    duel.after(own, moved, At())
    assert all(torch.equal(*pair) for pair in zip(before, duel.current.parameters(), strict=True))


def test_keeps_the_latest_players_and_learns_from_so_many_of_them_as_the_pool_says():
    for pool in (2, 0):
        training = GenerativeTraining(BALL, epochs=8, width=2, pool=pool, snapshots=3, schedule=Schedule(batch=8))
        duel = Duel(training, small_net(), toy_images(8), Seed(0))
        for _ in range(8):
            duel._remember()
        assert len(duel.generators) == len(duel.past) == 3
        assert len(duel.classifiers) == 4
        duel.perturb(batch(duel))
        assert bool(duel.old.any()) is (pool > 0)


def test_a_batch_with_a_class_missing_is_a_batch_like_any_other():
    data = toy_images(24)
    one_class = Cases(data.ids, data.inputs, Misclassify(torch.zeros(24, dtype=torch.int64)))
    training = GenerativeTraining(BALL, epochs=2, width=2, schedule=Schedule(batch=4))
    history = training.harden(small_net(), one_class).lineage[-1].history
    assert all(math.isfinite(value) for row in history for value in row.values())


def test_refuses_a_radius_of_zero_before_any_work():
    target = toy_classifier()
    with pytest.raises(InvalidSpec, match=r"a radius above zero.*got Linf <= 0 in.*Use plain\.standard"):
        GenerativeTraining(LpBall("inf", 0.0)).harden(target, toy_cases())
    assert target.meter.forwards == 0


def test_refuses_what_does_not_fit():
    with pytest.raises(Incompatible, match="needs a Projectable threat; got AnyText"):
        GenerativeTraining(AnyText()).harden(toy_classifier(), toy_cases())
    flat = toy_cases()
    flat = Cases(flat.ids, flat.inputs.flatten(1), flat.goals)
    with pytest.raises(InvalidCases, match="needs images of shape"):
        GenerativeTraining(BALL).harden(toy_classifier(), flat)
    with pytest.raises(InvalidSpec, match="width, snapshots and turns of 1 or more"):
        GenerativeTraining(BALL, pool=-1)


def test_a_generator_that_diverges_is_told_and_the_last_good_state_is_kept(tmp_path):
    wild = Schedule(optimiser="sgd", peak=1e30, shape="constant", warmup=0.0, weight_decay=0.0)
    calm = GenerativeTraining(BALL, epochs=2, width=2, schedule=Schedule(batch=8), generator=wild)
    with pytest.raises(
        Diverged, match=r"generator: the gradients stopped being finite.*peak \(now 1e\+30\)|stopped being finite"
    ):
        calm.harden(small_net(), toy_images(40), workspace=tmp_path)
