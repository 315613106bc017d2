"""Waiting no longer than a call lasts, and what goes on behind it is bounded."""

import threading

import pytest

from functions.runner.imports import deadline


def test_work_that_ends_in_time_is_answered() -> None:
    assert deadline.within(5, lambda: 7) == 7


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        deadline.within(5, lambda: 1 // 0)


def test_work_that_takes_longer_is_given_up() -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError):
        deadline.within(0.01, ended.wait)
    ended.set()


def test_work_that_was_given_up_goes_on_in_a_bounded_number_of_threads() -> None:
    ended = threading.Event()
    for _ in range(deadline.THREADS_LIMIT):
        with pytest.raises(TimeoutError):
            deadline.within(0.001, ended.wait)

    with pytest.raises(TimeoutError):
        deadline.within(0.01, lambda: "not even begun")
    ended.set()

    assert deadline.within(5, lambda: "begun") == "begun"


def test_work_for_which_the_system_gives_no_thread_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    with pytest.raises(TimeoutError):
        deadline.within(5, lambda: 7)
