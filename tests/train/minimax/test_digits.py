"""A quick check on real data: training against an attack holds where standard training does not."""

from sparring.attack.gradient.pgd import PGD
from sparring.core.ball import LpBall
from sparring.core.schedule import Schedule
from sparring.domains.image.data import digits
from sparring.train.minimax.adversarial_training import AdversarialTraining
from sparring.train.minimax.nfgsm import NFGSM
from sparring.train.plain.standard import Standard
from tests.train.lessons import small_net


def test_hardened_digits_hold_where_the_standard_net_breaks():
    ball, settings = LpBall("inf", 0.15), {"epochs": 6, "schedule": Schedule(batch=64, peak=0.1)}
    train, test = digits("train"), digits("test")[:200]
    held = {}
    for training in (
        Standard(**settings),
        NFGSM(ball, **settings),
        AdversarialTraining(PGD(steps=5), ball, **settings),
    ):
        hardened = training.harden(small_net(), train)
        right = (hardened(test.inputs).argmax(1) == test.goals.labels).float().mean()
        assert float(right) > 0.85, training.name
        broken = test.goals.reached(hardened(PGD(steps=40).run(hardened, test, ball).inputs))
        held[training.name] = 1 - float(broken.float().mean())
    assert held["train.minimax.nfgsm"] > held["train.plain.standard"] + 0.25, held
    assert held["train.minimax.adversarial_training"] > held["train.plain.standard"] + 0.25, held
