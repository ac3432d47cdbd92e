"""Collapse, cycling and a beaten generator are told from the history alone."""

from sparring.train.generative.signs import duel_signs, painter_signs


def row(epoch, now, past=None, alike=0.2):
    found = {"epoch": float(epoch), "attacker_now": now, "attacker_alike": alike}
    return found if past is None else {**found, "attacker_past": past}


def test_a_healthy_duel_says_nothing():
    assert duel_signs([row(0, 0.5), row(1, 0.3, 0.25), row(2, 0.2, 0.25)], 5) == ()
    assert duel_signs([], 5) == ()
    assert duel_signs([{"epoch": 0.0, "loss": 1.0}], 5) == ()


def test_one_change_for_all_is_a_collapse():
    (told,) = duel_signs([row(0, 0.5), row(1, 0.4, alike=0.97), row(2, 0.4)], 5)
    assert told.startswith("collapse in epoch 2: the changes of different cases have a cosine of 0.97")


def test_a_past_generator_that_beats_the_present_one_is_cycling():
    history = [row(0, 0.5), row(1, 0.1, 0.4), row(2, 0.2, 0.25)]
    (told,) = duel_signs(history, 0)
    assert told.startswith("cycling in epoch 2: a past generator fools 40% of the cases and the present one 10%")
    assert told.endswith("Keep a pool of past generators.")
    assert duel_signs(history, 3)[0].endswith("Raise the pool (now 3) or its share.")


def test_a_generator_that_fools_nobody_is_told():
    (told,) = duel_signs([row(0, 0.5), row(1, 0.01)], 5)
    assert told.startswith("the generator fools only 1.0% in the end")


def test_a_painter_of_one_image_has_collapsed():
    (told,) = painter_signs([{"painter_variety": 0.9}, {"painter_variety": 0.1}])
    assert told.startswith("the painter collapsed: its images of one class differ 10% as much as real ones do")
    assert painter_signs([{"painter_variety": 0.1}, {"painter_variety": 0.9}]) == ()
    assert painter_signs([{"loss": 1.0}]) == ()
