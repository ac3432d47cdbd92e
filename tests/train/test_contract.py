"""What every training promises, tested on all of them, alone and with parts."""

import pytest
import torch

from sparring.attack.gradient.fgsm import FGSM
from sparring.attack.gradient.pgd import PGD
from sparring.attack.untouched import Untouched
from sparring.core.ball import LpBall
from sparring.core.cases import Cases
from sparring.core.errors import Diverged, Incompatible, InvalidCases, InvalidSpec, RunMismatch
from sparring.core.goal import Misclassify
from sparring.core.schedule import Schedule
from sparring.core.spec import build, check_spec, known_names, to_spec
from sparring.core.target import Target
from sparring.core.threat import AnyText
from sparring.core.training import Training
from sparring.core.validation import Validation
from sparring.domains.image.toy import toy_cases, toy_classifier
from sparring.train.generative.generative_training import GenerativeTraining
from sparring.train.generative.rob_gan import RobGAN
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.minimax.atta import ATTA
from sparring.train.minimax.fgsm_rs import FGSMRS
from sparring.train.minimax.free import Free
from sparring.train.minimax.mart import MART
from sparring.train.minimax.nfgsm import NFGSM
from sparring.train.minimax.trades import TRADES
from sparring.train.parts.ema import EMA
from sparring.train.parts.radius_ramp import RadiusRamp
from sparring.train.parts.shift_flip import ShiftFlip
from sparring.train.parts.swa import SWA
from sparring.train.parts.weight_perturbation import WeightPerturbation
from sparring.train.plain.augmented import Augmented
from sparring.train.plain.standard import Standard
from tests.core.test_fit import Interrupting
from tests.train.lessons import small_net, weights

BALL = LpBall("inf", 0.05)
SHORT = {"epochs": 4, "schedule": Schedule(batch=8), "validation": Validation(share=0.3, steps=2)}
BARE = {**SHORT, "epochs": 2, "validation": Validation(share=0.0)}
ALONE = {
    "standard": Standard,
    "augmented": Augmented,
    "adversarial": lambda **s: AdversarialTraining(PGD(steps=2), BALL, **s),
    "one step": lambda **s: AdversarialTraining(FGSM(), BALL, **s),
    "nfgsm": lambda **s: NFGSM(BALL, **s),
    "fgsm_rs": lambda **s: FGSMRS(BALL, **s),
    "free": lambda **s: Free(BALL, replays=2, **s),
    "atta": lambda **s: ATTA(BALL, **s),
    "trades": lambda **s: TRADES(PGD(steps=2), BALL, **s),
    "mart": lambda **s: MART(PGD(steps=2), BALL, **s),
    "generator": lambda **s: GenerativeTraining(BALL, width=2, **s),
    "generator that sees the gradient": lambda **s: GenerativeTraining(BALL, sees_gradient=True, width=2, **s),
    "rob-gan": lambda **s: RobGAN(PGD(steps=2), BALL, width=2, **s),
    "gan": lambda **s: RobGAN(None, None, width=2, **s),
}
COMBINED = {
    "adversarial, EMA, weight perturbation, shifts": lambda **s: AdversarialTraining(
        PGD(steps=2), BALL, parts=[EMA(0.9), WeightPerturbation(), ShiftFlip(1)], **s
    ),
    "trades, SWA, ramp": lambda **s: TRADES(PGD(steps=2), BALL, parts=[SWA(), RadiusRamp()], **s),
    "free, EMA, flips": lambda **s: Free(BALL, replays=2, parts=[EMA(0.9), ShiftFlip(0)], **s),
    "generator, EMA, shifts": lambda **s: GenerativeTraining(BALL, width=2, parts=[EMA(0.9), ShiftFlip(1)], **s),
    "atta, weight perturbation": lambda **s: ATTA(BALL, parts=[WeightPerturbation()], **s),
}
EVERY = ALONE | COMBINED
_SEEN = {
    "GenerativeTraining": lambda one: ("generator", "gradient") if one.sees_gradient else ("generator",),
    "RobGAN": lambda one: ("gradient",) if one.attack else (),
}
every_training = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY.keys())


def test_the_folders_hold_no_training_that_is_not_tested_here():
    found = {name for name in known_names() if name.startswith(("plain.", "minimax.", "generative."))}
    found -= {"generative.signs", "generative.generated_data"}  # sentences; and a defence that holds a training
    assert found == {type(make(**SHORT)).__module__.removeprefix("sparring.train.") for make in ALONE.values()}


@every_training
def test_builds_from_plain_data(make):
    training = make(**SHORT)
    check_spec(to_spec(training))
    assert build(to_spec(training)) == training


@every_training
def test_names_its_paper_differences_and_cost(make):
    for heading in ("Paper:", "Differs:", "Cost per case and epoch:"):
        assert heading in (type(make(**SHORT)).__doc__ or "")


@every_training
def test_the_same_seed_gives_the_same_weights_and_leaves_target_cases_and_generators_alone(make):
    target, data = toy_classifier(), toy_cases(24)
    before, inputs, state = weights(target).clone(), data.inputs.clone(), torch.random.get_rng_state()
    target.module.eval()
    hardened = [make(**SHORT).harden(target, data, seed=3) for _ in range(2)]
    assert torch.equal(weights(hardened[0]), weights(hardened[1]))
    assert not torch.equal(weights(hardened[0]), before)
    assert torch.equal(weights(target), before)
    assert torch.equal(data.inputs, inputs)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not target.module.training
    assert all(weight.grad is None for weight in target.module.parameters())
    assert (target.meter.forwards, target.lineage) == (0, ())


@every_training
def test_tells_in_its_lineage_what_it_did(make):
    training = make(**SHORT)
    hardened = training.harden(toy_classifier(), toy_cases(24))
    again = Standard(**SHORT).harden(hardened, toy_cases(24))
    (step,) = hardened.lineage
    assert step.defence == training.name
    assert step.families == training.families
    assert training.families == {"Standard": (), "Augmented": ("geometric", "noise")}.get(
        type(training).__name__, _SEEN.get(type(training).__name__, lambda one: ("gradient",))(training)
    )
    assert step.seconds > 0
    assert step.forwards > 0
    assert len(step.history) == training.epochs // training.repeats
    assert {"loss", "val_clean", "seconds"} <= step.history[0].keys()
    assert training.threat is None or {"train_robust", "val_robust", "val_one_step"} <= step.history[0].keys()
    assert [each.defence for each in again.lineage] == [training.name, "train.plain.standard"]
    assert hardened.meter.cost == 0


@every_training
def test_a_training_stopped_in_the_middle_resumes_to_the_bit_same_weights(make, tmp_path):
    data = Cases(toy_cases(24).ids, torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0)), Misclassify(
        torch.arange(24) % 10))  # fmt: skip
    target, training = small_net(dropout=0.2), make(**SHORT)
    straight = training.harden(target, data, seed=1)
    with pytest.raises(KeyboardInterrupt):
        training.harden(target, data, seed=1, workspace=tmp_path, progress=Interrupting(5))
    resumed = training.harden(target, data, seed=1, workspace=tmp_path)
    assert torch.equal(weights(resumed), weights(straight))
    assert resumed.lineage[0].forwards == straight.lineage[0].forwards


@pytest.mark.parametrize(
    ("training", "forwards", "input_backwards", "weight_backwards"),
    [
        (Standard(**BARE), 1, 0, 1),
        (Augmented(**BARE), 1, 0, 1),
        (NFGSM(BALL, **BARE), 2, 1, 1),
        (FGSMRS(BALL, **BARE), 2, 1, 1),
        (ATTA(BALL, **BARE), 2, 1, 1),
        (Free(BALL, replays=2, **BARE), 1, 0, 1),
        (AdversarialTraining(PGD(steps=7), BALL, **BARE), 8, 7, 1),
        (AdversarialTraining(PGD(steps=10), BALL, **BARE), 11, 10, 1),
        (TRADES(PGD(steps=10), BALL, **BARE), 13, 10, 2),
        (MART(PGD(steps=10), BALL, **BARE), 12, 10, 2),
        (AdversarialTraining(PGD(steps=10), BALL, parts=[WeightPerturbation()], **BARE), 12, 10, 2),
        (NFGSM(BALL, parts=[EMA(), ShiftFlip(), RadiusRamp()], **BARE), 2, 1, 1),
        (GenerativeTraining(BALL, turns=1, width=2, **BARE), 1, 1, 1),
        (GenerativeTraining(BALL, turns=3, width=2, **BARE), 3, 3, 1),
        (GenerativeTraining(BALL, sees_gradient=True, turns=2, width=2, **BARE), 3, 3, 1),
        (RobGAN(PGD(steps=7), BALL, painting=1.0, width=2, **BARE), 10, 8, 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Training) else str(value),
)
def test_spends_exactly_its_floor(training, forwards, input_backwards, weight_backwards, tmp_path):
    """Floors per case and epoch: standard 3, one-step 5, PGD-7 17, PGD-10 23, TRADES-10 27, AWP-10 26."""
    hardened = training.harden(toy_classifier(), toy_cases(20), workspace=tmp_path)
    assert hardened.lineage[0].forwards == 2 * 20 * (forwards + input_backwards + 2 * weight_backwards)
    counted = torch.load(tmp_path / "training.pt", weights_only=True)["learner"]["meter"]
    assert counted == {
        "forwards": 2 * 20 * forwards,
        "input_backwards": 2 * 20 * input_backwards,
        "weight_backwards": 2 * 20 * weight_backwards,
    }


def test_validation_costs_are_not_counted_as_training():
    counts = [
        NFGSM(BALL, epochs=1, schedule=Schedule(batch=8), validation=validation).harden(toy_classifier(), data)
        for validation, data in ((Validation(share=0.0), Validation(share=0.3).split(toy_cases(40))[0]),
                                 (Validation(share=0.3), toy_cases(40)))
    ]  # fmt: skip
    assert counts[0].lineage[0].forwards == counts[1].lineage[0].forwards


def test_a_workspace_holds_best_last_and_checkpoint_and_refuses_another_training(tmp_path):
    training = NFGSM(BALL, **SHORT)
    hardened = training.harden(toy_classifier(), toy_cases(24), workspace=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "last.pt", "training.pt"]
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(best["1.weight"], hardened.module[1].weight)
    for other, what in (
        (lambda: NFGSM(BALL, noise=1.0, **SHORT).harden(toy_classifier(), toy_cases(24), workspace=tmp_path), "noise"),
        (lambda: training.harden(toy_classifier(), toy_cases(24), seed=9, workspace=tmp_path), "seed was 0, now 9"),
        (lambda: training.harden(toy_classifier(), toy_cases(23), workspace=tmp_path), "cases was"),
        (lambda: training.harden(toy_classifier(seed=1), toy_cases(24), workspace=tmp_path), "target was"),
    ):
        with pytest.raises(RunMismatch, match=what):
            other()


def test_a_model_that_returns_nan_is_told_as_diverged():
    target = toy_classifier()
    with torch.no_grad():
        target.module[1].bias.fill_(torch.nan)
    with pytest.raises(Diverged, match=r"stopped being finite in epoch 1\. Lower the schedule's peak"):
        Standard(**SHORT).harden(target, toy_cases(24))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Standard(epochs=0), "1 epoch or more; got 0"),
        (lambda: Standard(label_smoothing=1.0), "label_smoothing lies in"),
        (lambda: Standard(parts=[PGD()]), "parts must be parts of a training"),
        (lambda: Standard(parts=[EMA(), SWA()]), "takes one weight average; got EMA.*SWA"),
        (lambda: Validation(share=1.0), r"a share in \[0, 1\)"),
        (lambda: NFGSM(BALL, noise=-1.0), "noise of 0 or more and a positive step; got -1.0"),
        (lambda: FGSMRS(BALL, step=0.0), "positive step; got 0.0"),
        (lambda: Free(BALL, replays=0), "1 replay or more"),
        (lambda: Free(BALL, replays=4, epochs=6), "epochs that its replays divide; got 6 and 4"),
        (lambda: ATTA(BALL, steps=0), "1 step or more"),
        (lambda: TRADES(PGD(), BALL, beta=-1.0), "beta of 0 or more"),
        (lambda: MART(PGD(), BALL, beta=-1.0), "beta of 0 or more"),
        (lambda: MART(PGD(), BALL, label_smoothing=0.1), "has no label smoothing"),
        (lambda: Augmented(noise=-0.1), "must not be negative"),
        (lambda: EMA(1.0), r"decay in \[0, 1\)"),
        (lambda: SWA(1.0), r"start in \[0, 1\)"),
        (lambda: WeightPerturbation(-1.0), "gamma of 0 or more"),
        (lambda: ShiftFlip(-1), "pixels of 0 or more"),
        (lambda: GenerativeTraining(BALL, share=1.0), r"a share in \[0, 1\); got 8, 5, 2, 5 and 1.0"),
        (lambda: RobGAN(None, None, painting=0.0), r"painting in \(0, 1\].*got 0.0"),
        (lambda: RobGAN(PGD(), None), "an attack and its threat, or neither"),
        (lambda: RadiusRamp(0.0), r"`until` in \(0, 1\]"),
    ],
)
def test_refuses_bad_settings(make, message):
    with pytest.raises(InvalidSpec, match=message):
        make()


class Mute(Target):
    def respond(self, inputs):
        return ["..."] * len(inputs)


@pytest.mark.parametrize(
    ("training", "target", "message"),
    [
        (Standard(), Mute(), "needs a Trainable target, whose weights can change; got Mute"),
        (AdversarialTraining(Untouched(), BALL), toy_classifier(), "can serve inside a training step.*got Untouched"),
        (AdversarialTraining(PGD(), AnyText()), toy_classifier(), "gradient.pgd needs a Projectable threat"),
        (NFGSM(AnyText()), toy_classifier(), "needs a Projectable threat; got AnyText"),
        (FGSMRS(AnyText()), toy_classifier(), "needs a Projectable threat; got AnyText"),
        (ATTA(BALL, parts=[ShiftFlip()]), toy_classifier(), "remembers one change for each case.*got ShiftFlip"),
    ],
)
def test_refuses_parts_that_do_not_fit(training, target, message):
    with pytest.raises(Incompatible, match=message):
        training.harden(target, toy_cases(8))


def test_refuses_cases_that_cannot_be_learned_from():
    good = toy_cases(8)
    nan = Cases(good.ids, good.inputs.clone().fill_(torch.nan), good.goals)
    wrong = Cases(good.ids, good.inputs, Misclassify(good.goals.labels + 10))
    for bad, message in ((good[:0], "no cases to learn from"), (nan, "must be finite"), (wrong, "labels must lie in")):
        with pytest.raises(InvalidCases, match=message):
            Standard(**SHORT).harden(toy_classifier(), bad)
    with pytest.raises(InvalidCases, match="threat's box"):
        NFGSM(BALL, **SHORT).harden(toy_classifier(), Cases(good.ids, good.inputs * 255, good.goals))
    with pytest.raises(Incompatible, match="needs cases with labels; got goals of list"):
        Standard().harden(toy_classifier(), Cases(good.ids, good.inputs, [None] * 8))
