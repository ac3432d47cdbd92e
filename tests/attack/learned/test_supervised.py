import pytest
import torch

from sparring.attack.learned.pool import Tried
from sparring.attack.learned.supervised import Supervised, failures
from sparring.core.errors import Incompatible, InvalidSpec
from sparring.domains.language.threat import Prompts
from tests.attack.learned.material import Echo, Marked, Writer, asking, numbered_question


def test_learns_from_all_failures_or_from_the_worst_where_they_are_few():
    tried = [Tried("p", str(k), k / 10) for k in range(10)]
    assert [one.question for one in failures(tried, 0.5, 2)] == ["9", "8", "7", "6"]
    assert [one.question for one in failures(tried, 0.85, 3)] == ["9", "8", "7"]
    assert len(failures(tried, 0.5, 100)) == 9  # a question without any reward teaches nothing


def test_the_failures_become_likelier_and_the_red_model_itself_stays_as_it_was():
    red, cases = asking(), Marked().cases(4)
    before = {key: value.clone() for key, value in red.model.state_dict().items()}
    attack = Supervised(red, harms=Marked(), zero_shot=24, fewest=8, epochs=6, tokens=12)
    seen = {}

    class Watched(Supervised):
        def learned(self, desk):
            seen["desk"], seen["chats"] = desk, super().learned(desk)
            return seen["chats"]

    script = Watched(**{f: getattr(attack, f) for f in attack.__dataclass_fields__}).write(
        Echo(), cases, Prompts(), seed=0
    )
    asked = seen["desk"].journal._values
    questions = [key for kind, key in asked if kind == "reply"]
    rewards = Marked().reward(None, questions)
    worst = [q for _, q in sorted(zip(rewards, questions, strict=True), reverse=True)[:8]]
    prompt = "List of marked questions about birds:\n1."
    old = torch.stack([p.sum() for p in red.log_probabilities([prompt] * 8, [f" {q}\n" for q in worst])]).mean()
    new = seen["chats"]["marked"].log_probabilities([prompt] * 8, [f" {q}\n" for q in worst])
    assert torch.stack([p.sum() for p in new]).mean() > old + 1
    assert all(torch.equal(before[key], value) for key, value in red.model.state_dict().items())
    assert len(script.attempts) == 4
    assert any("fine-tuned on the" in note for note in script.notes)


def test_a_red_model_whose_questions_earn_nothing_stays_as_it_was_and_the_report_says_so():
    class Mild(Marked):
        def reward(self, asked, replies):
            return [0.0] * len(replies)

    script = Supervised(asking(), harms=Mild(), zero_shot=6, tokens=12).write(Echo(), Mild().cases(2), Prompts())
    assert any("stays as it was" in note for note in script.notes)


def test_a_red_model_without_weights_is_refused():
    with pytest.raises(Incompatible, match="whose weights must be at hand; got Writer"):
        Supervised(Writer(numbered_question), harms=Marked()).write(Echo(), Marked().cases(2), Prompts())


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidSpec, match="threshold"):
        Supervised(threshold=1.0)
