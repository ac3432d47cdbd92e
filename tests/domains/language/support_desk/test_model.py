"""The desk's model is the base with what it learned from errands, made once; it sees no attack."""

from sparring.domains.language.support_desk.errands import errands
from sparring.domains.language.support_desk.model import desk_chat
from sparring.domains.language.toy import toy_open_chat


def test_is_trained_once_and_likes_the_replies_of_its_errands_better_than_the_base(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base = toy_open_chat()
    desk = desk_chat(base, count=16, epochs=4, rank=4, peak=2e-2)
    assert desk.name == "toy-desk" and desk.fingerprint() != base.fingerprint()
    own = errands(16, "train")
    prompts, replies = [one.asked.prompt for one in own], [one.reply for one in own]
    before, after = (
        sum(float(one.mean()) for one in chat.log_probabilities(prompts, replies)) for chat in (base, desk)
    )
    assert after > before
    assert desk_chat(base, count=16, epochs=4, rank=4, peak=2e-2).fingerprint() == desk.fingerprint()
