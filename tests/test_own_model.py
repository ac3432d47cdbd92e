"""What a user brings: numpy arrays and loaders through the whole round, and mistakes with the model itself."""

import numpy as np
import pytest
import torch
from torch import nn

import sparring
from sparring.core.errors import BadTarget, Incompatible
from sparring.core.schedule import Schedule
from sparring.domains.image.toy import toy_cases, toy_classifier

THREAT = sparring.LpBall("inf", 0.05)


def numpy_cases():
    cases = toy_cases(60)
    return sparring.arrays(cases.inputs.numpy(), cases.goals.labels.numpy())


def loader_cases():
    cases = toy_cases(60)
    data = torch.utils.data.TensorDataset(cases.inputs, cases.goals.labels)
    return sparring.loader(torch.utils.data.DataLoader(data, batch_size=8))


@pytest.mark.parametrize("make", [numpy_cases, loader_cases])
def test_arrays_and_loaders_are_measured_and_learned_from(make):
    model = toy_classifier()
    card = sparring.measure(model, make(), THREAT, attacks=[sparring.FGSM()])
    same = sparring.measure(model, toy_cases(60), THREAT, attacks=[sparring.FGSM()])
    assert np.array_equal(card.bouts[1].outcomes, same.bouts[1].outcomes)
    training = sparring.AdversarialTraining(sparring.PGD(steps=2), THREAT, epochs=1, schedule=Schedule(batch=16))
    assert training.harden(model, make()).lineage[-1].families == ("gradient",)


def test_images_of_another_shape_than_the_model_takes_are_one_sentence():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LazyLinear(4))
    net(torch.zeros(1, 1, 6, 6))
    cases = sparring.arrays(np.zeros((4, 6, 6, 1), np.float32), [0, 1, 2, 3])
    with pytest.raises(BadTarget, match=r"raised on the first cases, inputs of shape \(4, 6, 6, 1\)"):
        sparring.measure(sparring.Classifier(net, 4), cases, THREAT, attacks=[sparring.FGSM()])


def test_a_bare_module_is_refused_with_what_to_wrap_it_in():
    with pytest.raises(Incompatible, match=r"got Flatten\. Wrap a torch module: Classifier"):
        sparring.measure(nn.Flatten(), toy_cases(), THREAT)


def test_a_black_box_without_attacks_is_told_which_fit():
    box = sparring.BlackBox(lambda inputs: inputs.reshape(len(inputs), -1)[:, :4], 4, name="box")
    with pytest.raises(Incompatible, match="the default suite needs gradients, which box does not give"):
        sparring.measure(box, toy_cases(), THREAT)
