"""One training step against closed forms of a linear model, where the worst case of the ball is known."""

import pytest
import torch
from torch.nn import functional

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.seed import Seed
from sparring.core.training import Batch
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.minimax.atta import ATTA
from sparring.train.minimax.fgsm_rs import FGSMRS
from sparring.train.minimax.free import Free
from sparring.train.minimax.mart import MART, boosted_entropy
from sparring.train.minimax.nfgsm import NFGSM
from sparring.train.minimax.trades import TRADES, Diverge
from sparring.train.plain.standard import Standard
from tests.train.lessons import ONE_STEP, UNBOUNDED, cases, linear, stepped, weights


def worst_case_logistic(norm, radius):
    """Mean of log(1 + exp(-(margin - radius * dual norm of the weights' difference)))."""
    data = cases()
    flat, labels = data.inputs.flatten(1), data.goals.labels

    def loss(w):
        difference = w[1] - w[0]
        margin = (flat @ difference) * (2 * labels - 1)
        return functional.softplus(radius * difference.norm(p=norm) - margin).mean()

    return loss


@pytest.mark.parametrize(
    "training",
    [
        AdversarialTraining(FGSM(), UNBOUNDED, **ONE_STEP),
        AdversarialTraining(PGD(steps=10), UNBOUNDED, **ONE_STEP),
        FGSMRS(UNBOUNDED, step=2.0, **ONE_STEP),  # from anywhere in the ball, two radii reach the corner
        NFGSM(UNBOUNDED, noise=0.0, **ONE_STEP),
        ATTA(UNBOUNDED, steps=4, **ONE_STEP),
    ],
    ids=lambda training: training.name,
)
def test_one_step_follows_the_closed_form_of_linf_adversarial_logistic_regression(training):
    target = linear()
    expected = stepped(target.module[1].weight.detach(), worst_case_logistic(1, 0.05))
    assert torch.allclose(weights(training.harden(target, cases())), expected.flatten(), atol=1e-5)


def test_one_step_follows_the_closed_form_in_l2():
    target, ball = linear(), LpBall(2, 0.1, low=-100.0, high=100.0)
    expected = stepped(target.module[1].weight.detach(), worst_case_logistic(2, 0.1))
    hardened = AdversarialTraining(FGSM(), ball, **ONE_STEP).harden(target, cases())
    assert torch.allclose(weights(hardened), expected.flatten(), atol=1e-5)


def batch(threat, count=16, classes=2, memory=None):
    data = cases(count, classes)
    stream = Seed(5).stream(data.ids)
    memory = {} if memory is None else memory
    return Batch(
        linear(classes), data.inputs, data.goals, data.goals.labels, threat, stream, torch.arange(count), count, memory
    )  # fmt: skip


def test_nfgsm_steps_from_noise_and_is_not_clipped_to_the_ball():
    one = batch(UNBOUNDED)
    moved = NFGSM(UNBOUNDED, noise=2.0, step=1.0).perturb(one)
    w = one.student.module[1].weight.detach()
    uphill = torch.sign((w[0] - w[1])[None] * (2 * one.labels - 1)[:, None]).reshape(moved.shape)
    noise = moved - one.inputs - 0.05 * uphill
    assert float(noise.abs().max()) <= 0.1 + 1e-6
    assert float(noise.abs().max()) > 0.09
    assert float(noise.mean().abs()) < 0.02


def test_nfgsm_does_not_let_the_box_cut_its_noise():
    ball = LpBall("inf", 0.3)
    one = batch(ball)
    moved = NFGSM(ball).perturb(one)
    assert float(moved.min()) < 0
    assert float(moved.max()) > 1
    assert float((moved - one.inputs).abs().max()) <= 0.9 + 1e-6


def test_fgsm_rs_ends_in_the_ball():
    one = batch(UNBOUNDED)
    change = FGSMRS(UNBOUNDED).perturb(one) - one.inputs
    assert float(change.abs().max()) <= 0.05 + 1e-6


def test_atta_goes_on_from_where_the_last_epoch_ended():
    """With steps of half a radius on a linear model, every start in the ball ends at its corner in four epochs."""
    memory, training = {}, ATTA(UNBOUNDED)
    sizes = []
    for _ in range(4):
        one = batch(UNBOUNDED, memory=memory)
        sizes.append(float((training.perturb(one) - one.inputs).abs().mean()))
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.045
    assert sizes[-1] == pytest.approx(0.05, rel=0.01)


def test_atta_remembers_by_case_and_not_by_place_in_the_batch():
    memory, training = {}, ATTA(UNBOUNDED)
    training.perturb(batch(UNBOUNDED, memory=memory))
    before = memory["change"].clone()
    one = batch(UNBOUNDED, memory=memory)
    few = torch.tensor([9, 2])
    part = Batch(
        one.student, one.inputs[few], one.goals[few], one.labels[few], UNBOUNDED, one.stream[few], few, 16, memory
    )
    training.perturb(part)
    changed = (memory["change"] != before).flatten(1).any(1).nonzero().flatten()
    assert set(changed.tolist()) <= {2, 9}


def test_free_with_one_replay_and_no_radius_is_standard_training():
    target, settings = linear(), {**ONE_STEP, "epochs": 3}
    free = Free(UNBOUNDED.scaled(0.0), replays=1, **settings).harden(target, cases())
    assert torch.equal(weights(free), weights(Standard(**settings).harden(target, cases())))


def test_free_moves_inputs_by_the_gradient_of_the_step_before():
    target, data = linear(), cases()
    w, flat, labels = target.module[1].weight.detach(), data.inputs.flatten(1), data.goals.labels
    first = stepped(w, lambda v: functional.cross_entropy(flat @ v.T, labels))
    uphill = torch.sign((w[0] - w[1])[None] * (2 * labels - 1)[:, None])
    second = stepped(first, lambda v: functional.cross_entropy((flat + 0.05 * uphill) @ v.T, labels))
    free = Free(UNBOUNDED, replays=2, **{**ONE_STEP, "epochs": 2}).harden(target, data)
    assert torch.allclose(weights(free), second.flatten(), atol=1e-5)


def test_trades_with_beta_zero_is_standard_training():
    target = linear(3)
    trades = TRADES(PGD(steps=2), UNBOUNDED, beta=0.0, **ONE_STEP).harden(target, cases(classes=3))
    standard = Standard(**ONE_STEP).harden(target, cases(classes=3))
    assert torch.allclose(weights(trades), weights(standard), atol=1e-7)


def test_trades_loss_is_cross_entropy_plus_beta_times_the_divergence():
    one = batch(UNBOUNDED, classes=3)
    moved = one.inputs + 0.1
    loss, counts = TRADES(PGD(), UNBOUNDED, beta=2.0).loss(one, moved)
    clean, attacked = (one.student.forward(x).softmax(1) for x in (one.inputs, moved))
    divergence = (clean * (clean / attacked).log()).sum(1).mean()
    entropy = -clean[torch.arange(16), one.labels].log().mean()
    assert loss.item() == pytest.approx((entropy + 2.0 * divergence).item(), rel=1e-5)
    assert counts["clean"] == (clean.argmax(1) == one.labels).sum()


def test_the_divergence_that_trades_climbs_is_zero_at_the_case_and_positive_elsewhere():
    given = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    away = Diverge(given)
    assert torch.allclose(away.loss(given.log()), torch.zeros(2), atol=1e-6)
    assert bool((away.loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]])) > 0).all())
    assert away[torch.tensor([1])].given.tolist() == [[0.5, 0.5]]
    assert away.reached(torch.tensor([[0.0, 1.0], [0.0, 1.0]])).tolist() == [False, True]


def test_mart_loss_is_the_papers():
    one = batch(UNBOUNDED, classes=3)
    moved = one.inputs + 0.1
    loss, _ = MART(PGD(), UNBOUNDED, beta=4.0).loss(one, moved)
    clean, attacked = (one.student.forward(x).softmax(1) for x in (one.inputs, moved))
    rows = torch.arange(16)
    others = attacked.clone()
    others[rows, one.labels] = 0
    boosted = -attacked[rows, one.labels].log() - (1 - others.amax(1)).log()
    divergence = (clean * (clean / attacked).log()).sum(1)
    expected = (boosted + 4.0 * divergence * (1 - clean[rows, one.labels])).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_marts_boosted_entropy_stays_finite_on_confident_mistakes():
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    value = boosted_entropy(logits, torch.tensor([1]))
    value.sum().backward()
    assert value.item() == pytest.approx(400.0 - 0.6931, rel=1e-3)
    assert bool(torch.isfinite(logits.grad).all())
