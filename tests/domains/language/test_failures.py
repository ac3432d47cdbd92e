"""What repairs learn from: benign replies of the target's own, and the failures that still break it."""

from sparring.core.seed import Seed
from sparring.domains.language.benign import benign_training, training_look_alikes
from sparring.domains.language.failures import benign_replies
from sparring.domains.language.toy import ToyChat


def test_every_other_benign_question_looks_like_an_attack():
    asked = [one.prompt for one, _ in benign_replies(ToyChat(), 40, Seed(0))]
    near = set(training_look_alikes())
    assert [text in near for text in asked] == [True, False] * 20
    assert len(set(asked)) == 40


def test_where_more_are_wanted_than_there_are_each_comes_again_as_another_sample():
    size = len(benign_training())
    found = benign_replies(ToyChat(), 2 * size, Seed(0))
    assert len({one for one, _ in found}) == 2 * size


def test_questions_of_ones_own_are_the_only_ones_and_none_are_none():
    assert {one.prompt for one, _ in benign_replies(ToyChat(), 5, Seed(0), ["a b", "c d"])} == {"a b", "c d"}
    assert benign_replies(ToyChat(), 5, Seed(0), []) == []
