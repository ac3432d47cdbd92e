"""Standard training: plain gradient descent on cross-entropy."""

import torch
from torch.nn import functional

from sparring.train.plain.standard import Standard
from tests.train.lessons import ONE_STEP, cases, linear, stepped, weights


def test_one_step_is_a_gradient_step_on_mean_cross_entropy():
    target, data = linear(classes=3), cases(classes=3)
    flat = data.inputs.flatten(1)
    expected = stepped(
        target.module[1].weight.detach(), lambda w: functional.cross_entropy(flat @ w.T, data.goals.labels)
    )
    hardened = Standard(**ONE_STEP).harden(target, data)
    assert torch.allclose(weights(hardened), expected.flatten(), atol=1e-6)


def test_label_smoothing_spreads_a_share_of_the_label():
    target, data = linear(classes=3), cases(classes=3)
    flat = data.inputs.flatten(1)
    soft = 0.7 * functional.one_hot(data.goals.labels, 3) + 0.3 / 3
    expected = stepped(
        target.module[1].weight.detach(), lambda w: -(soft * functional.log_softmax(flat @ w.T, 1)).sum(1).mean()
    )
    hardened = Standard(label_smoothing=0.3, **ONE_STEP).harden(target, data)
    assert torch.allclose(weights(hardened), expected.flatten(), atol=1e-6)
