"""A guarded classifier: when it rejects, what an attack on it sees, and how far such attacks come against the optimum."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from sparring.attack.compose.oblivious import Oblivious
from sparring.attack.compose.transfer import Transfer
from sparring.attack.gradient.apgd import APGD
from sparring.attack.gradient.apgd_targeted import APGDTargeted
from sparring.attack.gradient.fab import FAB
from sparring.attack.gradient.fab_targeted import FABTargeted
from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.fmn import FMN
from sparring.attack.gradient.losses import likely_targets
from sparring.attack.gradient.pgd import PGD
from sparring.attack.learned.adv_gan import AdvGAN
from sparring.attack.learned.distilled import Distilled
from sparring.attack.query.hop_skip_jump import HopSkipJump
from sparring.attack.query.square import Square
from sparring.core.ball import LpBall
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.goal import ClassifyAs, Evade, Misclassify
from sparring.core.judge import Outcome
from sparring.domains.image.guarded import Guarded, auroc
from sparring.domains.image.target import BlackBox, Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.measure.campaign import measure
from sparring.measure.outcomes import CODES

THREAT = LpBall("inf", 0.04)
BROKEN = CODES.index(Outcome.BROKEN)


class Linear(nn.Module):
    """Scores that are a linear function of the image."""

    def __init__(self, weights):
        super().__init__()
        self.weights, self.asleep = nn.Parameter(weights), nn.Dropout(0.5)

    def forward(self, images):
        return self.asleep(images.flatten(1)) @ self.weights


def zeros(count=60):
    """Cases of class 0, which the toy classifier answers rightly."""
    cases = toy_cases(400)
    return cases[cases.goals.labels == 0][:count]


def guarded(threshold=None, scale=1.0):
    """The toy classifier beside a detector that sees much of what leads away from class 0; it rejects 18 of 60 cases."""
    inner = toy_classifier()
    weights = inner.module[1].weight.detach()
    noise = torch.randn(36, generator=torch.Generator().manual_seed(1))
    target = Guarded(inner, Linear(weights.mean(0) - weights[0] + 0.6 * noise), 0.0, scale)
    scores = target.suspicion(zeros().inputs)
    target.threshold = float(scores.quantile(0.7)) if threshold is None else threshold
    return target


def asked(target):
    """Cases that the target answers rightly, as it wants them."""
    cases = target.place(zeros())
    return cases[~cases.goals.failed(target(cases.inputs))]


def broken(target, attack, cases):
    return cases.goals.reached(target(attack.run(target, cases, THREAT).inputs))


def test_the_last_column_wins_just_where_the_score_exceeds_the_threshold():
    target, inputs = guarded(), zeros().inputs
    scores = target.suspicion(inputs)
    target.threshold = float(scores.sort().values[30])  # one image lies on the threshold itself, and may pass
    assert torch.equal(target(inputs).argmax(1) == 4, scores > target.threshold)
    assert int((target(inputs).argmax(1) == 4).sum()) == 29
    assert target.suspicion(inputs).shape == (60,)


def test_large_logits_do_not_drown_a_small_excess():
    target, inputs = guarded(), zeros().inputs
    with torch.no_grad():
        target.inner.module[1].weight *= 1e6
        target.inner.module[1].bias *= 1e6
    target.threshold = float(np.nextafter(np.float32(target.suspicion(inputs[:1])[0]), np.float32(-np.inf)))
    assert int(target(inputs[:1]).argmax(1)) == 4


def test_the_classes_keep_the_odds_that_the_classifier_gives_them():
    target, inputs = guarded(), toy_cases().inputs
    outputs = target(inputs)
    assert outputs.shape == (12, 5)
    assert torch.allclose(outputs[:, :4].softmax(1), target.inner(inputs).softmax(1), atol=1e-6)


def test_the_rejection_has_the_detectors_slope():
    target, cases = guarded(scale=3.0), toy_cases()
    found = target.gradient(cases.inputs, lambda outputs: outputs[:, 4]).gradient
    expected = 3 * target.critic.weights.detach().reshape(1, 1, 6, 6).expand_as(found)
    assert bool((found != 0).any())
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_adversary_has_to_get_past_the_detector_and_others_are_left_alone():
    target, cases = guarded(), toy_cases()
    placed = target.place(cases)
    assert isinstance(placed.goals, Evade) and placed.goals.rejected == 4
    assert isinstance(target.place(placed).goals, Evade)
    assert isinstance(target.inner.place(placed).goals, Misclassify)
    assert isinstance(BlackBox(lambda x: x, 4).place(placed).goals, Misclassify)
    named = ClassifyAs((cases.goals.labels + 1) % 4, cases.goals.labels)
    assert isinstance(target.place(type(cases)(cases.ids, cases.inputs, named)).goals, ClassifyAs)
    wrong = type(cases)(cases.ids, cases.inputs, Misclassify(torch.full((12,), 4)))
    with pytest.raises(InvalidCases, match="labels must lie in 0 to 3"):
        target.check(target.place(wrong))


def test_targets_of_an_attack_are_classes_and_never_the_rejection():
    target, cases = guarded(threshold=-1e6), toy_cases()
    outputs = target(cases.inputs)
    assert set(outputs.argmax(1).tolist()) == {4}
    chosen = likely_targets(outputs, target.place(cases).goals, 9)
    assert chosen.shape == (12, 3) and int(chosen.max()) < 4
    assert not bool((chosen == cases.goals.labels[:, None]).any())


@cache
def possible():
    """Bool per asked case: whether some image in the ball is a wrong class's and passes, by linear programming."""
    target = guarded()
    cases = asked(target)
    layer, critic = target.inner.module[1], target.critic.weights
    weights, bias, seen = (t.detach().double().numpy() for t in (layer.weight, layer.bias, critic))
    found = []
    for image, label in zip(cases.inputs.flatten(1).double().numpy(), cases.goals.labels.tolist(), strict=True):
        leads = []
        for wrong in set(range(4)) - {label}:
            # Variables: the image and the least lead t; t <= lead over the label, t <= threshold - score.
            rows = np.vstack([weights[label] - weights[wrong], seen])
            rows = np.hstack([rows, np.ones((2, 1))])
            limits = [bias[wrong] - bias[label], target.threshold]
            bounds = [(max(0, p - THREAT.radius), min(1, p + THREAT.radius)) for p in image]
            best = linprog([0] * 36 + [-1], rows, limits, bounds=[*bounds, (None, None)])
            leads.append(-best.fun)
        found.append(max(leads) > 1e-4)
    return torch.tensor(found)


@pytest.mark.parametrize(
    ("attack", "share"),
    [
        (PGD(steps=100), 0.9), (APGD(), 0.9), (APGD(loss="dlr"), 1.0), (APGDTargeted(steps=50, targets=3), 1.0),
        (FAB(steps=50), 0.95), (FABTargeted(steps=50, targets=3), 0.95), (FMN(), 1.0), (Square(queries=500), 1.0),
    ],
    ids=lambda one: getattr(one, "label", ""),
)  # fmt: skip
def test_attacks_on_it_come_close_to_what_is_possible_past_classifier_and_detector(attack, share):
    target, best = guarded(), possible()
    cases = asked(target)
    assert (len(best), int(best.sum())) == (42, 36)
    found = broken(target, attack, cases)
    assert not bool((found & ~best).any())
    assert int(found.sum()) >= share * int(best.sum())


def test_an_attack_that_knows_of_the_detector_breaks_more_than_one_that_does_not():
    target = guarded()
    cases = asked(target)
    for attack in (PGD(steps=100), APGD(), FMN(), Square(queries=500)):
        knows, does_not = (int(broken(target, one, cases).sum()) for one in (attack, Oblivious(attack)))
        assert knows > does_not + 4, attack.label
        assert does_not < int(broken(target.inner, attack, target.inner.place(cases)).sum()), attack.label


def test_an_attack_on_labels_alone_runs_on_it():
    target = guarded()
    cases = asked(target)
    found = broken(target, HopSkipJump(queries=500), cases)
    assert not bool((found & ~possible()).any())
    assert int(found.sum()) > 10


@pytest.mark.parametrize(
    "attack", [FGSM(), AdvGAN(epochs=1), Distilled(PGD(steps=5), epochs=1)], ids=lambda one: one.label
)
def test_weaker_and_learned_attacks_run_on_it_too(attack):
    target = guarded()
    cases = asked(target)
    ready = attack.prepare(target, cases, THREAT)
    attempts = ready.run(target, cases, THREAT)
    assert attempts.inputs.shape == cases.inputs.shape
    assert bool(torch.as_tensor(THREAT.admits(cases, attempts.inputs)).all())
    assert not bool((attempts.found & ~cases.goals.reached(target(attempts.inputs))).any())


def test_a_transfer_from_the_bare_classifier_is_an_oblivious_attack():
    target = guarded()
    cases = asked(target)
    by_hand = Transfer(PGD(steps=10), surrogate=target.inner).run(target, cases, THREAT)
    assert torch.equal(by_hand.inputs, Oblivious(PGD(steps=10)).run(target, cases, THREAT).inputs)


def test_a_campaign_counts_a_false_alarm_as_wrong_and_a_rejected_attack_as_held():
    target, cases = guarded(), zeros()
    attacks = [FGSM(), Oblivious(FGSM())]
    card = measure(target, cases, THREAT, attacks=attacks, suite="standard")
    clean, *attacked = card.bouts[:3]
    alarms = (target.suspicion(cases.inputs) > target.threshold).numpy()
    assert alarms.sum() == 18
    assert ((clean.outcomes == BROKEN) == alarms).all()
    placed = target.place(cases)
    for bout, attack in zip(attacked, attacks, strict=True):
        assert ((bout.outcomes == CODES.index(Outcome.ALREADY_BROKEN)) == alarms).all()
        assert ((bout.outcomes == BROKEN) == (broken(target, attack, placed).numpy() & ~alarms)).all()
    assert attacked[1].label == "oblivious(fgsm)"
    assert attacked[1].forwards == 42  # what it asked of the bare classifier counts


def test_an_oblivious_attack_that_breaks_less_than_a_search_is_no_sign_of_misleading_gradients():
    target, cases = guarded(), zeros()
    attacks = [Oblivious(FGSM()), Square(queries=100)]
    card = measure(target, cases, THREAT, attacks=attacks)
    lead = [int((bout.outcomes == BROKEN).sum()) for bout in card.attacks()]
    assert lead[1] > lead[0] + 8
    assert not [flag for flag in card.flags if flag.name == "gradients-mislead"]


def test_it_is_one_question_on_one_meter_and_leaves_modes_weights_and_gradients_alone():
    target, cases = guarded(), toy_cases()
    target.inner.module.train(), target.critic.train()
    before = [weight.clone() for weight in (*target.inner.module.parameters(), *target.critic.parameters())]
    first = target(cases.inputs)
    assert target.meter.forwards == 12
    PGD(steps=5).run(target, target.place(cases), THREAT)
    assert torch.equal(target(cases.inputs), first)  # dropout sleeps as it answers
    assert all(part.training for net in (target.inner.module, target.critic) for part in net.modules())
    after = (*target.inner.module.parameters(), *target.critic.parameters())
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, after, strict=True))


def test_pictures_name_the_rejection():
    target, cases = guarded(threshold=-1e6), toy_cases(1)
    panels = target.exhibit(cases, cases.inputs + 0.01)[0]
    assert panels[0].caption.startswith("clean: rejected") and panels[1].caption.startswith("attacked: rejected")
    names = ("cat", "dog", "hen", "cow")
    inner = Classifier(target.inner.module, 4, class_names=names)
    shown = Guarded(inner, target.critic, 1e6).exhibit(cases, cases.inputs)[0][0].caption
    assert shown.split()[1] in names


def test_the_fingerprint_tells_classifier_detector_threshold_and_scale_apart():
    one, other = guarded(), guarded()
    assert one.fingerprint() == other.fingerprint()
    with torch.no_grad():
        other.critic.weights[0] += 1
    weaker = Guarded(toy_classifier(seed=1), one.critic, one.threshold)
    prints = {t.fingerprint() for t in (one, other, weaker, guarded(threshold=0.0), guarded(scale=2.0))}
    assert len(prints) == 5


def test_refuses_a_scale_that_is_not_positive_and_inputs_that_are_no_images():
    with pytest.raises(InvalidSpec, match=r"needs a positive scale; got 0\.0"):
        guarded(scale=0.0)
    flat = type(toy_cases())(["a"], torch.zeros(1, 36), Misclassify(torch.zeros(1, dtype=torch.long)))
    with pytest.raises(InvalidCases, match="a guarded classifier needs images"):
        guarded().check(flat)


def test_auroc_of_two_normals_is_the_closed_form():
    grid = torch.special.ndtri(torch.linspace(0, 1, 4002, dtype=torch.float64)[1:-1])
    assert auroc(grid, grid + 1) == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=2e-4)


def test_auroc_counts_pairs_with_half_a_point_for_a_tie():
    drawn = torch.Generator().manual_seed(0)
    low, high = (torch.randint(6, (n,), generator=drawn) + shift for n, shift in ((23, 0), (41, 1)))
    pairs = (high[:, None] > low).double() + 0.5 * (high[:, None] == low)
    assert auroc(low, high) == pytest.approx(float(pairs.mean()), abs=1e-12)
    assert auroc([0, 1], [2, 3]) == 1.0 and auroc([2, 3], [0, 1]) == 0.0 and auroc([1], [1]) == 0.5
    with pytest.raises(InvalidSpec, match="got 0 untouched and 1 attacked"):
        auroc([], [1])
