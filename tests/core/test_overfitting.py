"""What a history tells: catastrophic overfitting, robust overfitting, learning nothing, or nothing to tell."""

from sparring.core.overfitting import notes


def history(robust, one_step=None, train=None, loss=None):
    count = len(robust)
    return [
        {
            "epoch": float(i),
            "loss": (loss or [2.0 / (i + 1) for i in range(count)])[i],
            "train_robust": (train or [0.5] * count)[i],
            "val_robust": robust[i],
            "val_one_step": (one_step or [r + 0.03 for r in robust])[i],
        }
        for i in range(count)
    ]


def test_a_sound_training_needs_no_note():
    assert notes(history([0.3, 0.5, 0.6, 0.61]), kept=3) == ()


def test_a_one_step_accuracy_far_above_the_climb_is_catastrophic_overfitting():
    (note,) = notes(history([0.4, 0.5, 0.1], one_step=[0.45, 0.55, 0.95]), kept=1)
    assert note.startswith("catastrophic overfitting in epoch 3: 95.0% right after one step, 10.0% after a climb")
    assert "epoch 2, from before it, was kept" in note


def test_a_sudden_collapse_of_robust_accuracy_is_catastrophic_overfitting():
    (note,) = notes(history([0.4, 0.5, 0.2], one_step=[0.4, 0.5, 0.2]), kept=1)
    assert note.startswith("catastrophic overfitting in epoch 3")


def test_validation_that_falls_while_training_rises_is_robust_overfitting():
    (note,) = notes(history([0.4, 0.52, 0.5, 0.46], train=[0.4, 0.5, 0.7, 0.9]), kept=1)
    assert note.startswith("robust overfitting after epoch 2: validation fell from 52.0% to 46.0%")


def test_validation_that_falls_with_training_is_not_robust_overfitting():
    assert notes(history([0.4, 0.52, 0.5, 0.46], train=[0.4, 0.5, 0.45, 0.4]), kept=1) == ()


def test_a_loss_that_does_not_fall_is_told():
    (note,) = notes(history([0.1, 0.1, 0.1], loss=[2.303, 2.302, 2.302]), kept=2)
    assert note.startswith("learned next to nothing: the loss went from 2.303 to 2.302 in 3 epochs")


def test_a_history_without_attacks_is_only_asked_whether_it_learned():
    assert notes([{"epoch": 0.0, "loss": 2.0}, {"epoch": 1.0, "loss": 1.0}, {"epoch": 2.0, "loss": 0.5}], kept=2) == ()
