"""What a campaign will ask whatever comes back is asked together, and its verdicts are the same."""

from sparring.attack.prompt.template import Template
from sparring.domains.language.cache import ReplyCache
from sparring.domains.language.injection import Injection
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.toy import GullibleChat, toy_aims
from sparring.measure.campaign import measure

ATTACKS = [Template("naive"), Template("ignore-previous"), Template("role-play", tries=2)]


class Counting(GullibleChat):
    """Notes how many conversations came together each time."""

    def __init__(self, cache=None, fails=False):
        super().__init__()
        self.cache, self.fails, self.batches = cache, fails, []

    def reply(self, asked):
        self.batches.append(len(asked))
        if self.fails and len(asked) > 5:
            raise RuntimeError("too much at once")
        return super().reply(asked)


def outcomes(target):
    card = measure(target, toy_aims(5), Injection(), attacks=ATTACKS, judge=StateJudge())
    return [(bout.label, bout.outcomes.tolist()) for bout in card.bouts], [
        (bout.label, bout.forwards) for bout in card.bouts
    ]


def test_bouts_that_do_not_depend_on_answers_are_asked_together(tmp_path):
    together = Counting(ReplyCache(tmp_path / "replies.db"))
    plain = Counting()
    assert outcomes(together) == outcomes(plain)
    assert together.batches[0] == 15  # the untouched cases, and two families of one try each
    assert max(plain.batches) == 5


def test_what_fails_when_asked_ahead_is_found_by_its_own_bout(tmp_path):
    fails = Counting(ReplyCache(tmp_path / "replies.db"), fails=True)
    assert outcomes(fails) == outcomes(Counting())


def test_what_is_on_record_is_not_asked_again(tmp_path):
    cache = ReplyCache(tmp_path / "replies.db")
    outcomes(Counting(cache))
    again = Counting(cache)
    outcomes(again)
    assert again.batches == []
