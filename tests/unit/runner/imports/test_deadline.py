"""Waiting no longer than a call lasts. What continues afterwards is bounded, for the runner and for each install."""

import threading

import pytest

from functions.runner.imports.deadline import KEYS, LOOKUPS, REQUESTS, Workers


def test_work_that_ends_in_time_is_answered() -> None:
    assert Workers(1, 1).within("a", 5, lambda: 7) == 7


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Workers(1, 1).within("a", 5, lambda: 1 // 0)


def test_work_that_takes_longer_is_given_up() -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError):
        Workers(1, 1).within("a", 0.01, ended.wait)
    ended.set()


def hang(workers: Workers, install_id: str, count: int, ended: threading.Event) -> None:
    """Occupy threads with work that was given up."""
    for _ in range(count):
        with pytest.raises(TimeoutError):
            workers.within(install_id, 0.001, ended.wait)


def test_work_that_was_given_up_goes_on_in_a_bounded_number_of_threads() -> None:
    workers, ended = Workers(limit=4, share=4), threading.Event()
    hang(workers, "a", 4, ended)

    with pytest.raises(TimeoutError):
        workers.within("b", 0.01, lambda: "not even begun")
    ended.set()

    assert workers.within("b", 5, lambda: "begun") == "begun"


@pytest.mark.parametrize("workers", [REQUESTS, LOOKUPS, KEYS], ids=["requests", "lookups", "keys"])
def test_work_of_one_install_that_hangs_does_not_delay_another_install(workers: Workers) -> None:
    ended = threading.Event()
    hang(workers, "hanging", 70, ended)

    assert workers.within("other", 5, lambda: "begun") == "begun"
    with pytest.raises(TimeoutError):
        workers.within("hanging", 0.01, lambda: "not even begun")
    ended.set()
    assert workers.within("hanging", 5, lambda: "begun") == "begun"


def test_lookups_and_requests_that_hang_leave_the_keys_alone() -> None:
    ended = threading.Event()
    for number in range(8):
        hang(LOOKUPS, f"install {number}", LOOKUPS.share, ended)
        hang(REQUESTS, f"install {number}", REQUESTS.share, ended)

    assert KEYS.within("install 0", 5, lambda: "unsealed") == "unsealed"
    ended.set()


def test_the_shares_and_limits_are_these() -> None:
    assert [(pool.limit, pool.share) for pool in (REQUESTS, LOOKUPS, KEYS)] == [(64, 16), (32, 8), (16, 4)]


def test_work_for_which_the_system_gives_no_thread_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    workers = Workers(1, 1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(TimeoutError):
            workers.within("a", 5, lambda: 7)

    assert workers.within("a", 5, lambda: 7) == 7
