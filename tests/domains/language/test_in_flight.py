"""Work in flight: what has come is handed on, whatever happens to the rest."""

import signal
import threading

import pytest

from sparring.domains.language.in_flight import Stopped, as_they_come


def test_each_position_is_worked_on_once():
    assert sorted(as_they_come(lambda k, stop: k * k, 50, 7)) == [(k, k * k) for k in range(50)]
    assert list(as_they_come(lambda k, stop: k, 0, 3)) == []


def test_after_an_error_nothing_is_started_and_what_is_in_flight_still_comes():
    started, got = [], []

    def work(k, stop):
        started.append(k)
        if k == 1:
            raise ValueError("for good")
        stop.wait(60)
        if k == 2:
            raise Stopped
        return k

    with pytest.raises(ValueError, match="for good"):
        for one in as_they_come(work, 20, 3):
            got.append(one)
    assert (0, 0) in got
    assert len(started) <= 3


def test_ctrl_c_hands_on_what_is_in_flight_and_stops():
    main, got = threading.main_thread(), []

    def work(k, stop):
        if k == 1:
            stop.wait(0.1)  # until the main thread waits for results
            signal.pthread_kill(main.ident, signal.SIGINT)
        assert stop.wait(60)
        return k

    with pytest.raises(KeyboardInterrupt):
        for one in as_they_come(work, 20, 2):
            got.append(one)
    assert sorted(got) == [(0, 0), (1, 1)]
