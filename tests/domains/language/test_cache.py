"""The reply cache: asked once, never again, by whoever shares the file; failures and other targets are kept apart."""

import multiprocessing
import os
import pickle
import signal
import sqlite3
import time

import pytest

from sparring.core.errors import BadTarget, InvalidSpec, SparringError
from sparring.domains.language.cache import ReplyCache, key_of
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.target import Chat, Unanswered


class Counting(Chat):
    """Echoes, and remembers what it was asked."""

    def __init__(self, mark=""):
        self.mark, self.asked = mark, []

    def fingerprint(self):
        return f"counting {self.mark}"

    def reply(self, asked):
        self.asked += [one.prompt for one in asked]
        return [Unanswered("out") if one.prompt == "fail" else f"{self.mark}{one.prompt}" for one in asked]


def cached(path, mark=""):
    chat = Counting(mark)
    chat.cache = ReplyCache(path / "replies.db")
    return chat


def test_asks_equal_conversations_of_a_batch_once_even_without_a_cache():
    chat = Counting()
    assert chat(["a", "b", "a", Conversation.of("a")]) == ["a", "b", "a", "a"]
    assert chat.asked == ["a", "b"]


def test_another_draw_is_another_request():
    chat = Counting()
    one = Conversation.of("a")
    chat([one, one.draw(1), one.draw(2), one.draw(0)])
    assert chat.asked == ["a", "a", "a"]


def test_never_asks_twice_and_counts_the_hits(tmp_path):
    first, second = cached(tmp_path), cached(tmp_path)
    assert first(["a", "b"]) == second(["b", "a"])[::-1]
    assert second(["c", "a"]) == ["c", "a"]
    assert (first.asked, second.asked) == (["a", "b"], ["c"])
    assert (second.cache.hits, second.cache.stored, len(second.cache)) == (3, 1, 3)


def test_failures_are_asked_again(tmp_path):
    chat = cached(tmp_path)
    assert chat(["fail", "a"]) == chat(["fail", "a"]) == [Unanswered("out"), "a"]
    assert chat.asked == ["fail", "a", "fail"]


def test_an_empty_reply_is_a_reply(tmp_path):
    class Silent(Counting):
        def reply(self, asked):
            super().reply(asked)
            return [""] * len(asked)

    chat = Silent()
    chat.cache = ReplyCache(tmp_path / "replies.db")
    assert chat(["a"]) == chat(["a"]) == [""]
    assert chat.asked == ["a"]


def test_targets_that_would_answer_otherwise_share_no_replies(tmp_path):
    assert cached(tmp_path, "x")(["a"]) == ["xa"]
    assert cached(tmp_path, "y")(["a"]) == ["ya"]


def test_what_arrived_before_an_error_is_kept(tmp_path):
    class Dying(Counting):
        def arriving(self, asked):
            for k, one in enumerate(asked):
                if one.prompt == "die" and not self.asked.count("die"):
                    self.asked.append("die")
                    raise SparringError("spent")
                self.asked.append(one.prompt)
                yield k, one.prompt

    chat = Dying()
    chat.cache = ReplyCache(tmp_path / "replies.db")
    with pytest.raises(SparringError, match="spent"):
        chat(["a", "b", "die", "c"])
    assert chat(["a", "b", "die", "c"]) == ["a", "b", "die", "c"]
    assert chat.asked == ["a", "b", "die", "die", "c"]


def test_another_number_of_replies_is_refused():
    class Short(Counting):
        def reply(self, asked):
            return ["one"]

    with pytest.raises(BadTarget, match="was given 2 conversations and answered 1"):
        Short()(["a", "b"])


def test_keeps_any_text_and_takes_more_keys_than_one_query_holds(tmp_path):
    cache = ReplyCache(tmp_path / "replies.db")
    odd = "half a pair \ud800, a null \0, 漢字"
    keys = [key_of(k) for k in range(1200)]
    for key in keys:
        cache.keep(key, odd)
    assert set(cache.find([*keys, key_of("unknown")]).values()) == {odd}
    assert len(cache.find(keys)) == 1200


def _write(path, name, count):
    cache = ReplyCache(path)
    for k in range(count):
        cache.keep(key_of(k), name)


def test_several_processes_agree_on_every_reply(tmp_path):
    path, context = tmp_path / "replies.db", multiprocessing.get_context("fork")
    ReplyCache(path)
    writers = [context.Process(target=_write, args=(path, name, 300)) for name in "ab"]
    for writer in writers:
        writer.start()
    _write(path, "c", 300)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    cache = ReplyCache(path)
    before = cache.find([key_of(k) for k in range(300)])
    assert len(before) == 300
    assert all(cache.keep(key, "late") == reply for key, reply in before.items())


def test_a_kill_loses_nothing_that_was_stored(tmp_path):
    path = tmp_path / "replies.db"
    cache = ReplyCache(path)
    writer = multiprocessing.get_context("fork").Process(target=_write, args=(path, "a", 10**9))
    writer.start()
    until = time.monotonic() + 20
    while len(cache) < 50 and time.monotonic() < until:
        os.sched_yield()
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    stored = len(cache)
    assert stored >= 50
    assert len(cache.find([key_of(k) for k in range(stored)])) == stored
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_travels_by_its_path(tmp_path):
    cache = ReplyCache(tmp_path / "replies.db")
    cache.keep(key_of("a"), "b")
    assert pickle.loads(pickle.dumps(cache)).find([key_of("a")]) == {key_of("a"): "b"}


def test_a_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, but long enough to have a header of some kind" * 20)
    with pytest.raises(InvalidSpec, match=r"notes\.txt is no reply cache"):
        ReplyCache(path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SparringError, match="has no folder to lie in"):
        ReplyCache(tmp_path / "file" / "replies.db")
