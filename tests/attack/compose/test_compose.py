"""Attacks made of attacks: counts on survivors, replay instead of belief, specs, and closed-form optima behind defences."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn

from sparring.attack.compose.average import Average
from sparring.attack.compose.bpda import BPDA, Bypass, straight_through
from sparring.attack.compose.restarts import Restarts
from sparring.attack.compose.transfer import Transfer
from sparring.attack.compose.worst_of import WorstOf
from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.attack.physical.corruptions import Corruptions
from sparring.attack.query.gaussian_noise import GaussianNoise
from sparring.attack.query.hop_skip_jump import HopSkipJump
from sparring.attack.query.square import Square
from sparring.attack.query.uniform_noise import UniformNoise
from sparring.attack.untouched import Untouched
from sparring.core.attack import Attack, Attempts
from sparring.core.ball import LpBall
from sparring.core.budget import Budget
from sparring.core.cases import Cases
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.spec import LEARNED, build, to_spec
from sparring.core.target import Differentiable, Labelled, Scored, Target
from sparring.core.threat import ThreatModel
from sparring.domains.image.target import BlackBox, Classifier, LabelBox
from sparring.domains.image.toy import toy_cases, toy_classifier

THREAT = LpBall("inf", 0.05)


@dataclass(frozen=True)
class Liar(Attack[Target, Cases, ThreatModel]):
    """Claims success with the untouched input, or with one far outside the threat set."""

    family = "lies"
    far: bool = False

    def cost(self, target):
        return 0

    def search(self, target, cases, threat, seed):
        inputs = 1 - cases.inputs if self.far else cases.inputs
        return Attempts(inputs, torch.ones(len(cases), dtype=torch.bool))


@dataclass(frozen=True)
class Learner(Untouched):
    """Remembers which target it was prepared on."""

    seen: str = field(default="", metadata=LEARNED)

    def prepare(self, target, cases, threat, *, seed=0, workspace=None):
        return replace(self, seen=type(target).__name__)


def on_survivors(attacks, cases, target=None) -> list[int]:
    """How many cases reach each attack of a cascade."""
    target = target or toy_classifier()
    rows, counts = torch.arange(len(cases)), []
    for attack in attacks:
        counts.append(len(rows))
        if len(rows):
            broken = cases[rows].goals.reached(target(attack.run(target, cases[rows], THREAT).inputs))
            rows = rows[~broken]
    return counts


def test_the_worst_of_attacks_costs_the_cascade_on_survivors_and_one_replay_each():
    target, cases = toy_classifier(), toy_cases(30)
    attempts = WorstOf([FGSM(), UniformNoise(draws=1), FGSM()]).run(target, cases, THREAT)
    first, second, third = on_survivors([FGSM(), UniformNoise(draws=1), FGSM()], cases)
    assert first == 30 and 0 < second < 30
    assert target.meter.forwards == 2 * (first + second + third)
    assert target.meter.input_backwards == first + third
    assert {by for by, found in zip(attempts.by, attempts.found.tolist(), strict=True) if found} == {"fgsm"}
    assert torch.equal(attempts.found, cases.goals.reached(target(attempts.inputs)))


@pytest.mark.parametrize("far", [False, True])
def test_the_worst_of_attacks_believes_no_claim_and_no_inadmissible_attempt(far):
    target, cases = toy_classifier(), toy_cases(20)
    lied = WorstOf([Liar(far), FGSM()]).run(target, cases, THREAT)
    honest = FGSM().run(target, cases, THREAT)
    assert torch.equal(lied.found, cases.goals.reached(target(honest.inputs)))
    assert bool(THREAT.admits(cases, lied.inputs).all()) and bool(lied.found.any())
    assert all(by == "fgsm" for by, found in zip(lied.by, lied.found.tolist(), strict=True) if found)


def test_the_worst_of_attacks_keeps_the_highest_margin_where_nothing_breaks():
    target, cases, threat = toy_classifier(2), toy_cases(classes=2), LpBall("inf", 1e-3)
    both = WorstOf([FGSM(), Untouched()]).run(target, cases, threat)
    assert torch.equal(both.inputs, FGSM().run(target, cases, threat).inputs)
    assert not bool(both.found.all()) and set(both.by) == {"fgsm"}


def test_restarts_run_again_on_survivors_alone_and_never_get_weaker():
    target, cases = toy_classifier(), toy_cases(40)
    few, many = (Restarts(UniformNoise(draws=1), count).run(target, cases, THREAT) for count in (1, 25))
    assert bool((many.found >= few.found).all()) and int(many.found.sum()) > int(few.found.sum())
    # The first of two runs meets everybody, the second the survivors; each is asked about once more in replay.
    target.meter.forwards = 0
    first = Restarts(UniformNoise(draws=1), 1).run(target, cases, THREAT).found
    target.meter.forwards = 0
    Restarts(UniformNoise(draws=1), 2).run(target, cases, THREAT)
    assert target.meter.forwards == 2 * (len(cases) + int((~first).sum()))


class Shaking(Differentiable, Scored):
    """Two classes with margin (w + noise) . (x - 1/2) - 1000: every answer draws other weights from a generator of its own."""

    classes, replays = 2, False

    def __init__(self, spread: float) -> None:
        self.weights = torch.randn(64, generator=torch.Generator().manual_seed(0))
        self.spread, self.random = spread, torch.Generator().manual_seed(1)

    def forward(self, inputs):
        noise = self.spread * torch.randn(len(inputs), 64, generator=self.random)
        value = ((inputs.flatten(1) - 0.5) * (self.weights + noise)).sum(1) - 1000
        return torch.stack([-value, value], 1)


def test_the_average_of_a_random_target_comes_near_the_optimum_that_a_single_draw_misses():
    target, radius = Shaking(spread=8.0), 0.1
    cases = Cases([str(i) for i in range(20)], torch.full((20, 1, 8, 8), 0.5), Misclassify(torch.zeros(20).long()))
    best = radius * target.weights.abs().sum()
    single, mean = (
        float(
            ((attack.run(target, cases, LpBall("inf", radius)).inputs - 0.5).flatten(1) @ target.weights).mean() / best
        )
        for attack in (PGD(steps=5), Average(PGD(steps=5), samples=200))
    )
    assert single < 0.5 and mean > 0.85


def test_the_average_costs_its_samples_and_offers_what_the_target_offers():
    target, cases = Shaking(spread=1.0), toy_cases(4)
    cases = replace(cases, inputs=torch.full((4, 1, 8, 8), 0.5), goals=Misclassify(torch.zeros(4).long()))
    Average(PGD(steps=3), samples=5).run(target, cases, THREAT)
    assert (target.meter.forwards, target.meter.input_backwards) == (4 * 5 * 4, 4 * 5 * 3)
    target.meter.forwards = 0
    Average(Square(queries=10), samples=3).run(target, cases, THREAT)
    assert target.meter.forwards == 4 * 3 * 11
    scores = BlackBox(lambda inputs: inputs.reshape(len(inputs), -1)[:, :2], 2)
    with pytest.raises(Incompatible, match="needs a Differentiable target; got BlackBox"):
        Average(PGD(steps=3)).run(scores, cases, THREAT)
    votes = LabelBox(lambda inputs: (inputs.reshape(len(inputs), -1).sum(1) > 33).astype(int), 2)
    found = Average(HopSkipJump(queries=200), samples=3).run(votes, cases, LpBall("inf", 0.1)).found
    assert bool(found.all()) and votes.meter.forwards <= 4 * 3 * 200


def test_transferred_attempts_gain_what_the_two_linear_models_share_and_ask_the_target_nothing():
    target, surrogate, cases = toy_classifier(2), toy_classifier(2, seed=5), toy_cases(6, classes=2)
    attempts = Transfer(FGSM(), surrogate).run(target, cases, THREAT)
    assert target.meter.forwards == 0 and surrogate.meter.forwards == 6
    own, other = (model.module[1].weight[1] - model.module[1].weight[0] for model in (target, surrogate))
    sign = 1 - 2 * cases.goals.labels.float()
    gained = (attempts.inputs - cases.inputs).flatten(1) @ own
    assert torch.allclose(gained, sign * 0.05 * (own * other.sign()).sum(), atol=1e-4)
    labels = LabelBox(lambda inputs: target(torch.from_numpy(inputs)).argmax(1).numpy(), 2)
    assert torch.equal(Transfer(FGSM(), surrogate).run(labels, cases, THREAT).inputs, attempts.inputs)


def quantised(net: nn.Module, function=lambda inputs: torch.round(inputs * 10) / 10) -> tuple[Classifier, Classifier]:
    """A classifier behind quantised inputs, and its stand-in with a straight-through gradient."""

    class Quantise(nn.Module):
        def forward(self, inputs):
            return function(inputs)

    return (
        Classifier(nn.Sequential(Quantise(), net), 2, name="quantised"),
        Classifier(nn.Sequential(straight_through(function), net), 2),
    )


class Frank(Scored):
    """Shows scores alone, and says what to follow instead."""

    def __init__(self, target: Classifier, stand_in: Target) -> None:
        self.target, self.classes, self._stand_in = target, target.classes, stand_in

    @property
    def stand_in(self) -> Target:
        return self._stand_in

    def respond(self, inputs):
        return self.target(inputs)


def test_bpda_breaks_exactly_what_the_optimum_breaks_behind_quantised_inputs_that_fool_pgd():
    net = toy_classifier(2).module
    target, stand_in = quantised(net)
    cases = toy_cases(60, classes=2)
    cases = replace(cases, goals=Misclassify(target(cases.inputs).argmax(1)))
    weights = net[1].weight[1] - net[1].weight[0]
    offset = net[1].bias[1] - net[1].bias[0]
    away = (1 - 2 * cases.goals.labels.float())[:, None, None, None] * weights.reshape(1, 1, 6, 6).sign()
    corner = torch.round((cases.inputs + 0.05 * away) * 10) / 10  # rounding keeps order, so no other point does better
    breakable = ((corner.flatten(1) @ weights + offset) > 0).long() != cases.goals.labels
    masked = PGD(steps=10).run(target, cases, THREAT).found
    through = BPDA(PGD(steps=10), stand_in).run(target, cases, THREAT).found
    smooth = BPDA(PGD(steps=10), toy_classifier(2)).run(target, cases, THREAT).found
    brought = BPDA(PGD(steps=10)).run(Frank(target, stand_in), cases, THREAT).found
    assert 10 < int(breakable.sum()) < 60
    assert torch.equal(through, breakable.detach()) and torch.equal(smooth, breakable.detach())
    assert torch.equal(brought, breakable.detach())
    assert int(masked.sum()) < int(breakable.sum()) / 2


def test_bpda_takes_answers_from_the_target_and_counts_them_there():
    target, cases = toy_classifier(), toy_cases(5)
    box = BlackBox(lambda inputs: target(torch.from_numpy(inputs)).numpy(), 4)
    bypass = Bypass(box, toy_classifier(seed=9))
    result = bypass.gradient(cases.inputs, cases.goals.loss)
    assert torch.allclose(result.outputs, target(cases.inputs)) and box.meter.forwards == 5
    attempts = BPDA(PGD(steps=4), toy_classifier()).run(box, cases, THREAT)
    assert torch.equal(attempts.inputs, PGD(steps=4).run(target, cases, THREAT).inputs)


def test_bpda_is_the_attack_itself_on_a_target_that_hides_nothing():
    through, direct, cases = toy_classifier(), toy_classifier(), toy_cases(20)
    attempts = BPDA(PGD(steps=4)).run(through, cases, THREAT, seed=3)
    assert torch.equal(attempts.inputs, PGD(steps=4).run(direct, cases, THREAT, seed=3).inputs)
    assert vars(through.meter) == vars(direct.meter)


def test_straight_through_computes_one_function_and_differentiates_another():
    inputs = torch.tensor([0.24, 0.26, 0.9], requires_grad=True)
    for backward, slope in ((None, torch.ones(3)), (lambda x: x**2, 2 * inputs.detach())):
        outputs = straight_through(torch.round, backward)(inputs)
        assert torch.equal(outputs, torch.tensor([0.0, 0.0, 1.0]))
        (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
        assert torch.allclose(gradient, slope)


def test_compositions_take_family_needs_parts_and_specs_from_what_they_hold():
    deep = Restarts(WorstOf([FGSM(), Average(PGD(steps=3), samples=2), Square(queries=7)]), count=2)
    assert deep.family == "gradient + query" and Restarts(GaussianNoise()).family == "noise"
    assert deep.needs_target is Differentiable and deep.needs_threat is LpBall
    assert Restarts(HopSkipJump()).needs_target is Labelled and Restarts.needs_target is Differentiable
    assert deep.parts == (FGSM(), PGD(steps=3), Square(queries=7))
    assert deep.label == "restarts(worst-of(fgsm, average(pgd), square))"
    assert build(to_spec(deep)) == deep
    costs = [attack.cost(toy_classifier()) for attack in (FGSM(), PGD(steps=3), Square(queries=7))]
    assert deep.cost(toy_classifier()) == 2 * (costs[0] + 1 + 2 * costs[1] + 1 + costs[2] + 1 + 1)


def test_compositions_prepare_their_parts_on_the_model_that_those_attack():
    target, cases = toy_classifier(), toy_cases(2)
    assert not Restarts(PGD()).learns and WorstOf([PGD(), Learner()]).learns
    assert WorstOf([PGD(), Learner()]).prepare(target, cases, THREAT).attacks[1].seen == "Classifier"
    assert Average(Learner()).prepare(target, cases, THREAT).attack.seen == "_MeanGradients"
    assert Transfer(Learner(), target).prepare(target, cases, THREAT).attack.seen == "Classifier"
    assert BPDA(Learner(), toy_classifier()).prepare(target, cases, THREAT).attack.seen == "Bypass"
    assert BPDA(Learner()).prepare(target, cases, THREAT).attack.seen == "Classifier"


@pytest.mark.parametrize(
    "attack", [Restarts(PGD(steps=40)), WorstOf([FGSM(), PGD(steps=40), Square()]), Average(PGD(steps=40), samples=2)]
)
def test_compositions_keep_a_budget_by_shortening_their_parts(attack):
    target, cases = toy_classifier(), toy_cases(6)
    attack.run(target, cases, LpBall("inf", 1e-3), budget=Budget(forwards=60))
    assert 6 * 20 < target.meter.forwards <= 6 * 60
    with pytest.raises(InvalidSpec, match="within 1 forwards per case"):
        attack.run(target, cases, THREAT, budget=Budget(forwards=1))


@dataclass(frozen=True)
class Shift(Attack[Target, Cases, ThreatModel]):
    """Adds a constant and tells which."""

    family = "shift"
    by: float = 0.0

    def cost(self, target):
        return 0

    def search(self, target, cases, threat, seed):
        held = torch.zeros(len(cases), dtype=torch.bool)
        return Attempts(cases.inputs + self.by, held, detail=torch.full((len(cases), 1), self.by))


class Shifted(ThreatModel):
    """Admits what its own detail explains."""

    def admits(self, cases, attempts, detail):
        return (attempts - cases.inputs - detail[:, :, None, None]).abs().flatten(1).amax(1) < 1e-6

    def describe(self):
        return "a constant"


def test_the_worst_of_attacks_carries_what_a_threat_wants_to_know_of_an_attempt():
    target, cases, threat = toy_classifier(), toy_cases(20), Shifted()
    attempts = WorstOf([Shift(0.0), Shift(0.15), Shift(-0.15)]).run(target, cases, threat)
    assert attempts.detail is not None and bool(threat.admits(cases, attempts.inputs, attempts.detail).all())
    assert sorted({round(float(one), 2) for one in attempts.detail}) == [-0.15, 0.15] and bool(attempts.found.any())


def test_refusals_say_what_was_expected():
    target, cases = toy_classifier(), toy_cases(2)
    with pytest.raises(InvalidSpec, match="Restarts needs a count of 1 or more; got 0"):
        Restarts(PGD(), 0)
    with pytest.raises(InvalidSpec, match="Average needs samples of 1 or more; got 0"):
        Average(PGD(), 0)
    with pytest.raises(InvalidSpec, match=r"WorstOf needs a list of one attack or more; got \[\]"):
        WorstOf([])
    with pytest.raises(InvalidSpec, match=r"Restarts needs attacks, such as .* got 'pgd'"):
        Restarts("pgd")
    with pytest.raises(Incompatible, match=r"compose\.transfer needs a surrogate to attack; got none"):
        Transfer().run(target, cases, THREAT)
    box = BlackBox(lambda inputs: target(torch.from_numpy(inputs)).numpy(), 4, name="remote")
    with pytest.raises(
        Incompatible, match=r"bpda needs a stand-in that is Differentiable; remote brings a BlackBox\. Pass"
    ):
        BPDA().run(box, cases, THREAT)
    with pytest.raises(
        Incompatible, match=r"needs a stand-in that is Differentiable; BPDA was given a BlackBox\. Pass"
    ):
        BPDA(stand_in=box).run(target, cases, THREAT)
    with pytest.raises(InvalidSpec, match="but its spec says 0123"):
        Transfer(PGD(), target, "0123")
    with pytest.raises(Incompatible, match="needs a Corruption threat"):
        WorstOf([PGD(), Corruptions()]).run(target, cases, THREAT)
