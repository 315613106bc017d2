"""A key set at a URL: for how long an answer is used, how often the URL is asked, and what an answer must be."""

import threading
from collections.abc import Iterator

import pytest

from alga_ext.edge import fetched_key_set
from alga_ext.edge.fetched_key_set import (
    CURRENT_S,
    FAILURE_PAUSE_S,
    SIZE_LIMIT_BYTES,
    UNKNOWN_KEY_PAUSE_S,
    USABLE_S,
    FetchedKeySet,
)
from alga_ext.errors import PlatformError
from tests.support.answering import AnsweringServer, Reply, answering
from tests.support.clock import Clock
from tests.support.tokens import HostKey, key_set_of

OLD, NEW = HostKey.ed25519(), HostKey.p256()
OLD_SET = key_set_of(OLD.jwk(kid="old")).encode()
NEW_SET = key_set_of(NEW.jwk(kid="new"), OLD.jwk(kid="old")).encode()
FAILURE = Reply(500)


class Source:
    """A key set at a server, with clocks that the test moves."""

    def __init__(self, server: AnsweringServer) -> None:
        self.server = server
        self.wall, self.monotonic = Clock(), Clock()
        self.keys = FetchedKeySet(f"{server.url}/keys", self.wall, self.monotonic)

    def answers(self, reply: Reply | bytes) -> None:
        self.server.answer = lambda _: Reply(200, reply) if isinstance(reply, bytes) else reply

    def passes(self, seconds: float) -> None:
        self.wall.now_s += seconds
        self.monotonic.now_s += seconds

    def find(self, key_id: str | None = "old") -> str:
        """``found``, ``unknown``, or the code of the error."""
        try:
            return "unknown" if self.keys.find(key_id) is None else "found"
        except PlatformError as error:
            return error.code

    @property
    def times_asked(self) -> int:
        return len(self.server.asked)


@pytest.fixture
def source() -> Iterator[Source]:
    with answering(lambda _: Reply(200, OLD_SET)) as server:
        yield Source(server)


def test_the_url_is_not_asked_before_the_first_token(source: Source) -> None:
    assert source.times_asked == 0


def test_a_key_set_is_used_for_five_minutes(source: Source) -> None:
    assert source.find() == "found"
    source.passes(CURRENT_S - 1)
    assert source.find() == "found"
    assert source.times_asked == 1

    source.passes(1)
    assert source.find() == "found"
    assert source.times_asked == 2


def test_a_removed_key_is_refused_when_the_next_key_set_is_read(source: Source) -> None:
    assert source.find() == "found"
    source.answers(key_set_of(NEW.jwk(kid="new")).encode())
    source.passes(CURRENT_S)

    assert source.find() == "unknown"


def test_the_last_good_key_set_is_used_for_an_hour_while_the_url_fails(source: Source) -> None:
    assert source.find() == "found"
    source.answers(FAILURE)

    source.passes(USABLE_S - 1)
    assert source.find() == "found"
    source.passes(1)
    assert source.find() == "policy_unavailable"


def test_the_url_is_asked_again_after_the_hour(source: Source) -> None:
    assert source.find() == "found"
    source.answers(FAILURE)
    source.passes(USABLE_S)
    assert source.find() == "policy_unavailable"

    source.answers(OLD_SET)
    source.passes(FAILURE_PAUSE_S)
    assert source.find() == "found"


@pytest.mark.parametrize("age_s", [CURRENT_S, USABLE_S])
def test_a_url_that_fails_is_asked_once_in_ten_seconds(source: Source, age_s: int) -> None:
    source.find()
    source.answers(FAILURE)
    source.passes(age_s)
    before = source.times_asked

    for _ in range(20):
        source.find()
    assert source.times_asked == before + 1
    source.passes(FAILURE_PAUSE_S - 1)
    source.find()
    assert source.times_asked == before + 1
    source.passes(1)
    source.find()
    assert source.times_asked == before + 2


def test_a_url_that_never_answered_is_asked_once_in_ten_seconds(source: Source) -> None:
    source.answers(FAILURE)

    assert {source.find() for _ in range(20)} == {"policy_unavailable"}
    assert source.times_asked == 1


BAD_ANSWERS = {
    "a fault": FAILURE,
    "not found": Reply(404, OLD_SET),
    "no content": Reply(204),
    "a redirect": Reply(302, b"", {"location": "/elsewhere"}),
    "no answer": Reply(body=None),
    "a page": Reply(200, b"<html>"),
    "nothing": Reply(200, b""),
    "a list": Reply(200, b"[]"),
    "no keys": Reply(200, b'{"keys":[]}'),
    "keys of other kinds": Reply(200, b'{"keys":[{"kty":"oct","k":"AAAA"}]}'),
    "not UTF-8": Reply(200, b"\xff"),
    "cut off": Reply(200, OLD_SET, {"content-length": str(len(OLD_SET) + 1), "connection": "close"}),
    "too large": Reply(200, OLD_SET + b" " * SIZE_LIMIT_BYTES),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_does_not_replace_the_last_good_key_set(source: Source, name: str) -> None:
    assert source.find() == "found"
    source.answers(BAD_ANSWERS[name])
    source.passes(CURRENT_S)

    assert source.find() == "found"
    assert source.times_asked == 2
    source.passes(USABLE_S - CURRENT_S)
    assert source.find() == "policy_unavailable"


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_without_a_good_key_set_a_bad_answer_is_no_fault_of_the_caller(source: Source, name: str) -> None:
    source.answers(BAD_ANSWERS[name])

    assert source.find() == "policy_unavailable"


def test_a_server_that_is_not_there_is_no_fault_of_the_caller(source: Source) -> None:
    source.server.close()

    assert source.find() == "policy_unavailable"


def test_a_server_that_does_not_answer_is_given_up(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched_key_set, "_READ_TIMEOUT_S", 0.1)
    released = threading.Event()

    def late(_: object) -> Reply:
        released.wait(30)
        return Reply(200, OLD_SET)

    source.server.answer = late
    assert source.find() == "policy_unavailable"
    released.set()


def test_a_redirect_is_not_followed(source: Source) -> None:
    source.answers(BAD_ANSWERS["a redirect"])
    source.find()

    assert [asked.path for asked in source.server.asked] == ["/keys"]


def test_an_answer_of_exactly_the_limit_is_read(source: Source) -> None:
    source.answers(OLD_SET + b" " * (SIZE_LIMIT_BYTES - len(OLD_SET)))

    assert source.find() == "found"


# Unknown key ids


def test_a_new_key_is_found_when_the_last_request_was_thirty_seconds_ago(source: Source) -> None:
    assert source.find() == "found"
    source.answers(NEW_SET)
    source.passes(UNKNOWN_KEY_PAUSE_S)

    assert (source.find("new"), source.find("old")) == ("found", "found")
    assert source.times_asked == 2


def test_unknown_key_ids_ask_once_in_thirty_seconds(source: Source) -> None:
    source.find()
    source.passes(UNKNOWN_KEY_PAUSE_S)

    for second in range(2 * UNKNOWN_KEY_PAUSE_S):
        assert source.find(f"k{second}") == "unknown"
        source.passes(1)
    assert source.times_asked == 1 + 2


@pytest.mark.parametrize("reply", [FAILURE, Reply(body=None)])
def test_an_unknown_key_id_is_the_callers_fault_while_the_key_set_is_current(source: Source, reply: Reply) -> None:
    source.find()
    source.answers(reply)
    source.passes(UNKNOWN_KEY_PAUSE_S)

    assert {source.find(f"k{number}") for number in range(3)} == {"unknown"}
    assert source.find("old") == "found"
    assert source.times_asked == 2


def test_an_unknown_key_id_may_be_a_new_key_when_the_key_set_is_not_current(source: Source) -> None:
    source.find()
    source.answers(FAILURE)
    source.passes(CURRENT_S)

    assert source.find("new") == "policy_unavailable"
    assert source.find("old") == "found"


def test_a_token_without_a_key_id_asks_nothing_more(source: Source) -> None:
    source.answers(NEW_SET)
    source.find()
    source.passes(UNKNOWN_KEY_PAUSE_S)

    assert source.find(None) == "unknown"
    assert source.times_asked == 1


# Clocks


def test_time_in_which_the_process_was_frozen_counts(source: Source) -> None:
    source.find()
    source.answers(FAILURE)
    source.wall.now_s += USABLE_S

    assert source.find() == "policy_unavailable"


@pytest.mark.parametrize("back_s", [1, CURRENT_S, USABLE_S, 10 * USABLE_S])
def test_a_clock_that_is_set_back_does_not_lengthen_the_hour(source: Source, back_s: int) -> None:
    source.find()
    source.answers(FAILURE)
    for _ in range(6):
        source.passes(USABLE_S / 6)
        source.wall.now_s -= back_s

    assert source.find() == "policy_unavailable"


def test_a_clock_that_is_set_back_does_not_lengthen_the_five_minutes(source: Source) -> None:
    source.find()
    source.passes(CURRENT_S)
    source.wall.now_s -= USABLE_S
    source.find()

    assert source.times_asked == 2


def test_a_clock_that_is_set_forward_and_back_only_makes_the_key_set_older(source: Source) -> None:
    source.find()
    source.wall.now_s += CURRENT_S
    source.find()
    source.wall.now_s -= CURRENT_S
    source.find()

    assert source.times_asked == 2


def test_time_before_a_backward_step_still_counts_when_the_process_was_frozen(source: Source) -> None:
    source.find()
    source.answers(FAILURE)
    source.wall.now_s += USABLE_S / 2
    source.find()
    source.wall.now_s -= USABLE_S
    source.find()
    source.wall.now_s += USABLE_S / 2

    assert source.find() == "policy_unavailable"


# Threads


def in_threads(source: Source, number: int) -> tuple[list[threading.Thread], list[str]]:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(source.find())) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads, found


def test_threads_that_need_the_first_key_set_wait_for_one_request(source: Source) -> None:
    asked, released = threading.Event(), threading.Event()

    def held(_: object) -> Reply:
        asked.set()
        released.wait(30)
        return Reply(200, OLD_SET)

    source.server.answer = held
    threads, found = in_threads(source, 6)
    assert asked.wait(30)
    released.set()
    for thread in threads:
        thread.join(30)

    assert found == ["found"] * 6
    assert source.times_asked == 1


def test_while_one_thread_asks_the_others_use_the_last_good_key_set(source: Source) -> None:
    source.find()
    source.passes(CURRENT_S)
    asked, released = threading.Event(), threading.Event()

    def held(_: object) -> Reply:
        asked.set()
        released.wait(30)
        return FAILURE

    source.server.answer = held
    threads, _ = in_threads(source, 1)
    assert asked.wait(30)
    assert [source.find() for _ in range(5)] == ["found"] * 5
    released.set()
    threads[0].join(30)
    assert source.times_asked == 2


def test_a_failure_is_logged_without_the_url(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    source.answers(FAILURE)
    source.find()

    (record,) = caplog.records
    assert vars(record)["reason"] == "it has status 500, not 200"
    assert source.server.url not in str(vars(record))
