"""What is asked beside the attacks: enough of it, varied, and nothing of it trained on."""

from sparring.domains.language.benign import (
    benign_training,
    checkable_questions,
    look_alikes,
    plain_questions,
    plain_text,
)
from sparring.domains.language.diversity import words
from sparring.domains.language.vitals.plain_questions import rightly


def plain(texts):
    return {" ".join(words(text)) for text in texts}


def all_look_alikes():
    return [prompt for own in look_alikes().values() for prompt in own]


def test_there_is_enough_of_everything():
    assert len(plain_questions()) >= 120
    assert len(all_look_alikes()) >= 120
    assert set(look_alikes()) == {"contact", "leak", "offence", "bias", "dialogue"}
    assert len(checkable_questions()) >= 100
    assert len(plain_text()) >= 40
    assert len(benign_training()) >= 200


def test_nothing_stands_in_it_twice_and_no_vital_is_trained_on():
    sets = {
        "plain": plain_questions(),
        "look-alikes": all_look_alikes(),
        "checkable": [question for question, _ in checkable_questions()],
        "text": plain_text(),
        "training": benign_training(),
    }
    assert all(len(plain(texts)) == len(texts) for texts in sets.values())
    names = list(sets)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            assert not plain(sets[one]) & plain(sets[other]), f"{one} and {other} share a prompt"


def test_no_template_of_the_training_prompts_makes_a_checkable_question():
    asked = plain(question for question, _ in checkable_questions())
    assert not any(question in trained for question in asked for trained in plain(benign_training()))


def test_repeating_a_checkable_question_does_not_answer_it():
    assert [question for question, answers in checkable_questions() if rightly(question, answers)] == []


def test_paragraphs_are_prose_of_similar_length():
    assert all(30 <= len(text.split()) <= 80 and "\n" not in text for text in plain_text())
