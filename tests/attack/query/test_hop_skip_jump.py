"""HopSkipJump: distances to hyperplanes in closed form, a planted adversary, label-only black boxes, refusals."""

import pytest
import torch

from sparring.attack.query.hop_skip_jump import HopSkipJump
from sparring.core.ball import LpBall, lp_norm
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.goal import ClassifyAs, Misclassify
from sparring.core.target import Labelled
from sparring.domains.image.data import digits
from sparring.domains.image.target import LabelBox

SHAPE = (1, 8, 8)
WEIGHTS = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


class Halves(Labelled):
    """Class 1 beyond a hyperplane: labels alone."""

    classes = 2

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def values(self, inputs):
        return inputs.flatten(1) @ WEIGHTS.flatten() + self.offset

    def respond(self, inputs):
        return (self.values(inputs) > 0).long()


def halves(count=8) -> tuple[Halves, Cases]:
    inputs = 0.3 + 0.4 * torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1))
    target = Halves(-float((inputs.flatten(1) @ WEIGHTS.flatten()).max()) - 1.0)
    names = [f"half-{i}" for i in range(count)]
    return target, Cases(names, inputs, Misclassify(torch.zeros(count, dtype=torch.long)))


@pytest.mark.parametrize(("norm", "dual", "slack"), [(2, WEIGHTS.norm(), 0.06), ("inf", WEIGHTS.abs().sum(), 0.35)])
def test_approaches_the_closed_form_distance_to_a_hyperplane(norm, dual, slack):
    target, cases = halves()
    nearest, distances = HopSkipJump(queries=2000).nearest(target, cases, LpBall(norm, 0.1))
    closed = -target.values(cases.inputs) / dual
    assert bool((target.decide(nearest) == 1).all())
    assert torch.allclose(lp_norm(nearest - cases.inputs, norm), distances)
    assert bool((distances >= closed * (1 - 1e-4)).all())
    assert float((distances / closed).mean()) < 1 + slack


@pytest.mark.parametrize("norm", [2, "inf"])
def test_finds_exactly_the_cases_whose_boundary_lies_well_inside_the_ball(norm):
    target, cases = halves(12)
    closed = -target.values(cases.inputs) / (WEIGHTS.norm() if norm == 2 else WEIGHTS.abs().sum())
    threat = LpBall(norm, float(closed.median()))
    attempts = HopSkipJump(queries=1500).run(target, cases, threat)
    assert bool(threat.admits(cases, attempts.inputs).all())
    assert torch.equal(target.decide(attempts.inputs) == 1, attempts.found)
    assert bool(attempts.found[closed < 0.7 * threat.radius].all())
    assert not bool(attempts.found[closed > threat.radius].any())


def test_asks_no_more_labels_than_it_says_and_none_about_cases_that_it_found():
    target, cases = halves()
    HopSkipJump(queries=333).run(target, cases, LpBall(2, 1e-4))
    assert target.meter.forwards <= 333 * len(cases)
    target.meter.forwards = 0
    attempts = HopSkipJump(queries=333).run(target, cases, LpBall("inf", 1.0))
    assert bool(attempts.found.all()) and target.meter.forwards < 40 * len(cases)
    target.meter.forwards = 0
    fooled = Cases(cases.ids, cases.inputs, Misclassify(torch.ones(len(cases), dtype=torch.long)))
    attempts = HopSkipJump().run(target, fooled, LpBall(2, 0.1))
    assert bool(attempts.found.all()) and target.meter.forwards == len(cases)


def test_finds_the_planted_adversary():
    class Planted(Labelled):
        """Class 1 in one ball around a corner of the box, and nowhere else."""

        classes = 2

        def respond(self, inputs):
            return ((inputs - 0.9).flatten(1).norm(dim=1) < 3.2).long()

    inputs = torch.full((4, *SHAPE), 0.4)
    cases = Cases(list("abcd"), inputs, Misclassify(torch.zeros(4, dtype=torch.long)))
    closed = 0.5 * 8 - 3.2
    attempts = HopSkipJump(queries=1500).run(Planted(), cases, LpBall(2, 1.1 * closed))
    assert bool(attempts.found.all())


def test_keeps_masked_coordinates_and_walks_to_the_class_that_the_goal_names():
    bands = LabelBox(lambda inputs: (inputs[:, 0, :, :4].mean((1, 2)) * 5).clip(0, 4).astype("int64"), 5)
    inputs = torch.full((3, *SHAPE), 0.5)
    goals = ClassifyAs(torch.tensor([1, 3, 3]), torch.full((3,), 2))
    cases = Cases(list("abc"), inputs, goals)
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[:, :, :4] = True
    threat = LpBall("inf", 0.2, mask=mask)
    attempts = HopSkipJump(queries=600).run(bands, cases, threat)
    assert bool(attempts.found.all()) and bool(threat.admits(cases, attempts.inputs).all())
    assert bands.decide(attempts.inputs).tolist() == [1, 3, 3]


def test_breaks_a_scikit_learn_pipeline_through_its_labels():
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    train = digits("train")
    flat = FunctionTransformer(lambda images: images.reshape(len(images), -1))
    pipeline = make_pipeline(flat, RidgeClassifier()).fit(train.inputs.numpy(), train.goals.labels)
    target = LabelBox(pipeline.predict, 10)
    cases, threat = digits("test")[:20], LpBall(2, 1.0)
    attempts = HopSkipJump(queries=600).run(target, cases, threat)
    assert torch.equal(cases.goals.reached(target(attempts.inputs)), attempts.found)
    assert bool(threat.admits(cases, attempts.inputs).all())
    # A linear rule of ten classes has its distance in closed form: the nearest of nine hyperplanes, were there no box.
    coefficients = torch.tensor(pipeline[-1].coef_, dtype=torch.float32)
    scores = cases.inputs.flatten(1) @ coefficients.T + torch.tensor(pipeline[-1].intercept_, dtype=torch.float32)
    labels = cases.goals.labels
    gaps = scores.gather(1, labels[:, None]) - scores
    apart = (coefficients[labels][:, None] - coefficients).norm(dim=2)
    closed = (gaps / apart).scatter(1, labels[:, None], torch.inf).amin(1)
    assert not bool((attempts.found & (closed > 1.0)).any())
    assert int((attempts.found | (closed > 0.7)).sum()) >= 18


def test_refuses_l1_boxes_without_bounds_and_settings_without_sense():
    target, cases = halves(2)
    with pytest.raises(Incompatible, match=r"query\.hop_skip_jump walks in Linf and L2; got L1 <= 0\.5"):
        HopSkipJump().run(target, cases, LpBall(1, 0.5))
    with pytest.raises(Incompatible, match="low and high must be finite"):
        HopSkipJump().run(target, cases, LpBall(2, 0.5, low=-torch.inf, high=torch.inf))
    with pytest.raises(InvalidSpec, match="1 or more; got 0, 100 and 100"):
        HopSkipJump(queries=0)
