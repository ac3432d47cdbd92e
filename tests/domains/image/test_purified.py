"""A purified classifier: what it rounds, what it hides, what stands in for it, and what it leaves alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.domains.image.purified import Purified
from sparring.domains.image.target import Classifier
from sparring.domains.image.toy import toy_cases, toy_classifier


class Darker(nn.Module):
    """Halves an image, and the gradient with it; its batch statistics and dropout must never be used."""

    def __init__(self, share=0.5):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))
        self.norm, self.drop = nn.BatchNorm2d(1), nn.Dropout(0.9)

    def forward(self, images):
        return self.drop(self.share * images + 0 * self.norm(images))


def slope(target, cases):
    return target.gradient(cases.inputs, cases.goals.margin).gradient


def test_the_classifier_sees_the_cleaned_image_rounded_to_grey_levels():
    classifier, cases = toy_classifier(), toy_cases()
    for levels in (2, 5, 256):
        seen = Purified(Darker(), classifier, levels).clean(cases.inputs).detach()
        assert torch.allclose(seen * (levels - 1), (seen * (levels - 1)).round(), atol=1e-4)
        assert float((seen - cases.inputs / 2).abs().max()) <= 0.5 / (levels - 1) + 1e-6
        assert torch.equal(Purified(Darker(), classifier, levels)(cases.inputs), classifier(seen))
    assert torch.equal(Purified(Darker(), classifier, None)(cases.inputs), classifier(cases.inputs / 2))


def test_rounding_hides_the_gradient_and_the_stand_in_shows_it():
    classifier, cases = toy_classifier(), toy_cases()
    target = Purified(Darker(), classifier, 256)
    halved = replace(cases, inputs=cases.inputs / 2)
    assert not bool(slope(target, cases).any())
    assert torch.allclose(slope(target.stand_in, cases), slope(classifier, halved) / 2)
    assert torch.allclose(target.stand_in(cases.inputs), target(cases.inputs), atol=0.1)


def test_a_target_that_hides_nothing_is_its_own_stand_in():
    smooth = Purified(Darker(), toy_classifier(), None)
    assert smooth.stand_in is smooth
    assert smooth.classifier.stand_in is smooth.classifier


def test_leaves_weights_modes_and_gradients_as_they_were():
    cleaner, classifier, cases = Darker().train(), toy_classifier(), toy_cases()
    classifier.module.train()
    target = Purified(cleaner, classifier)
    before = {key: value.clone() for key, value in cleaner.state_dict().items()}
    for one in (target, target.stand_in):
        one(cases.inputs), slope(one, cases), one.exhibit(cases, cases.inputs)
    assert all(torch.equal(value, before[key]) for key, value in cleaner.state_dict().items())
    for net in (cleaner, classifier.module):
        assert all(part.training for part in net.modules())
        assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


def test_counts_a_question_once_and_an_oblivious_one_too():
    target, cases = Purified(Darker(), toy_classifier()), toy_cases(5)
    target(cases.inputs), slope(target, cases)
    assert (target.meter.forwards, target.meter.input_backwards) == (10, 5)
    target.bare(cases.inputs)
    assert target.bare is target.classifier and target.meter.forwards == 15


def test_the_fingerprint_follows_cleaner_classifier_and_levels():
    targets = [
        Purified(Darker(), toy_classifier()), Purified(Darker(0.6), toy_classifier()),
        Purified(Darker(), toy_classifier(seed=1)), Purified(Darker(), toy_classifier(), 16),
        Purified(Darker(), toy_classifier(), None),
    ]  # fmt: skip
    assert len({target.fingerprint() for target in targets}) == len(targets)
    assert targets[0].fingerprint() == Purified(Darker(), toy_classifier()).fingerprint()


def test_passes_for_the_classifier_that_it_stands_in_front_of():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    classifier = Classifier(net, 2, class_names=("cat", "dog"), replays=False, name="pets")
    target = Purified(Darker(), classifier)
    assert (target.name, target.classes, target.class_names) == ("pets", 2, ("cat", "dog"))
    assert target.replays is False and target.device == classifier.device
    cases = toy_cases(3)
    assert target.place(replace(cases, inputs=cases.inputs.double().numpy())).inputs.dtype == torch.float32


def test_shows_what_the_classifier_was_shown():
    target, cases = Purified(Darker(), toy_classifier()), toy_cases(2)
    rows = target.exhibit(cases, 1 - cases.inputs)
    captions = [panel.caption.partition(":")[0].partition(" x ")[0] for panel in rows[0]]
    assert len(rows) == 2 and captions == ["clean", "attacked", "difference", "attacked and purified"]
    assert rows[0][3].png not in ("", rows[0][1].png)


def test_refusals_say_what_was_expected():
    with pytest.raises(InvalidSpec, match="2 grey levels or more, or None for no rounding; got 1"):
        Purified(Darker(), toy_classifier(), 1)
    target, cases = Purified(Darker(), toy_classifier()), toy_cases(2)
    with pytest.raises(InvalidCases, match=r"a purified classifier needs images of shape .* got \(2, 36\)"):
        target.check(replace(cases, inputs=cases.inputs.flatten(1)))
    with pytest.raises(InvalidCases, match="labels must lie in 0 to 3"):
        target.check(replace(cases, goals=replace(cases.goals, labels=cases.goals.labels + 9)))
