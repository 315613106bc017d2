"""A whole runner through its door: what a second call spares, and how a program is warmed."""

import gc
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import decode_response, encode
from alga_ext.errors import PlatformError
from alga_ext.stores.objects import Downloaded, write_hashed
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.invocation import Invocation
from functions.runner.records import Records
from tests.support.memory_store import MemoryObjectStore
from tests.support.runner_fixture import RunnerFixture, body_of, call, code_of
from tests.support.wat import guest

HELLO = guest("(call $respond (i32.const 200) (i32.const 256) (i32.const 5))", data='(data (i32.const 256) "hello")')
OTHER = guest("(call $respond (i32.const 200) (i32.const 256) (i32.const 5))", data='(data (i32.const 256) "other")')
SAYING = {
    guest("(call $respond (i32.const 200) (i32.const 256) (i32.const 1))", data=f'(data (i32.const 256) "{n}")'): b"%d"
    % n
    for n in range(6)
}
# Prepare lets a component have a gigabyte when it tries it; the runner of these tests has 256 MiB for it.
GREEDY = guest(
    "(call $respond (i32.const 200) (i32.const 0) (i32.const 0))",
    extra="""(func $begin (if (i32.eq (memory.grow (i32.const 5000)) (i32.const -1)) (then (unreachable))))
             (start $begin)""",
)

OF_ONE_CALL = (Invocation, CallContext, SecretBox, Records)


class CountingStore(MemoryObjectStore):
    """Notes every access."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, key: str) -> bytes:
        self.asked.append(f"get {key}")
        return super().get(key)

    def get_optional(self, key: str) -> bytes | None:
        self.asked.append(f"get {key}")
        return super().get_optional(key)

    def size(self, key: str) -> int | None:
        self.asked.append(f"size {key}")
        return super().size(key)

    def download(self, key: str, path: Path) -> Downloaded:
        self.asked.append(f"download {key}")
        return write_hashed([super().get(key)], path)

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        self.asked.append(f"put {key}")
        return super().put_new(key, data, content_type)

    def delete(self, key: str) -> None:
        self.asked.append(f"delete {key}")
        super().delete(key)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def house(tmp_path: Path, store: CountingStore) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path / "house", store=store)
    yield made
    made.close()


def called(house: RunnerFixture, content_hash: str) -> bytes:
    """Return what the guest answers."""
    response = house.execute(call(content_hash))
    assert code_of(response) is None, response
    return body_of(response)


def warmed(house: RunnerFixture, body: object) -> tuple[int, Any]:
    """Return status and document of ``POST /warmup``."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = house.post("/warmup", data, house.operator())
    return answer["statusCode"], json.loads(answer["body"])


# --- a second call ---


def test_a_second_call_of_a_component_asks_the_store_for_nothing(house: RunnerFixture, store: CountingStore) -> None:
    content_hash = house.publish(HELLO)
    called(house, content_hash)
    store.asked.clear()

    assert [called(house, content_hash) for _ in range(20)] == [b"hello"] * 20
    assert store.asked == []


def test_a_first_call_asks_for_records_and_code_once_each(house: RunnerFixture, store: CountingStore) -> None:
    content_hash = house.publish(HELLO)
    store.asked.clear()
    called(house, content_hash)

    asked = [(entry.split()[0], entry.split()[1].partition("/")[0]) for entry in store.asked]
    assert asked == [("get", "releases"), ("get", "cwasm"), ("download", "cwasm")]


# --- the version's state ---


@pytest.mark.parametrize("state", ["ready", "yanked"])
def test_a_version_that_may_run_runs(house: RunnerFixture, state: str) -> None:
    answer = house.answer(call(house.publish(HELLO)), version_state=state)

    assert body_of(decode_response(answer["body"].encode())) == b"hello"


@pytest.mark.parametrize("state", ["withdrawn", "rejected", "pending", "", "READY", "ready ", "unknown"])
def test_a_version_in_another_state_does_not_run(house: RunnerFixture, store: CountingStore, state: str) -> None:
    content_hash = house.publish(HELLO)
    called(house, content_hash)  # it is verified, cached and loaded
    store.asked.clear()
    answer = house.answer(call(content_hash), version_state=state)
    response = decode_response(answer["body"].encode())

    assert (answer["statusCode"], response.status) == (200, 502)
    assert response.error is not None
    assert (response.error.code, response.error.message) == (
        "artifact_not_found",
        "This version was withdrawn and no longer runs; update the extension.",
    )
    assert store.asked == []


def test_a_warm_up_needs_an_operators_token(house: RunnerFixture, store: CountingStore) -> None:
    body = json.dumps({"content_hash": house.publish(HELLO)}).encode()
    store.asked.clear()
    tokens: tuple[dict[str, str], ...] = (
        {},
        {"authorization": "Bearer x"},
        {"authorization": f"Bearer {house.token(call('x'), body)}"},
    )
    answers = [house.post("/warmup", body, headers) for headers in tokens]

    assert [answer["statusCode"] for answer in answers] == [401, 401, 401]
    assert store.asked == []


def test_no_spare_is_started_while_one_install_is_called(house: RunnerFixture) -> None:
    """Lambda freezes the start of a spare with the answer, and the next call would pay for it."""
    program = house.publish(HELLO)
    for _ in range(3):
        called(house, program)

    assert (house.pool.starts, len(house.pool.process_ids())) == (1, 1)


def test_once_a_second_install_was_called_a_spare_is_started_before_the_answer_goes_out(house: RunnerFixture) -> None:
    called(house, house.publish(HELLO))
    assert called(house, house.publish(OTHER)) == b"other"
    second, first, spare = house.pool.process_ids()

    house.execute(call(house.publish(HELLO), install_id="33333333-1111-4111-8111-111111111111"))

    assert house.pool.process_ids()[:3] == [spare, second, first]


def test_calls_of_two_programs_in_turn_keep_their_sandboxes(house: RunnerFixture) -> None:
    hashes = [house.publish(HELLO), house.publish(OTHER)]
    first = [called(house, content_hash) for content_hash in hashes]
    before = (house.pool.starts, set(house.pool.process_ids()))

    assert [called(house, content_hash) for content_hash in hashes * 10] == first * 10
    assert (house.pool.starts, set(house.pool.process_ids())) == before


def test_more_programs_than_sandboxes_all_answer(house: RunnerFixture) -> None:
    wanted = {house.publish(component): text for component, text in SAYING.items()}
    alive = []
    for content_hash in list(wanted) * 2:
        assert called(house, content_hash) == wanted[content_hash]
        alive.append(len(house.pool.process_ids()))
    assert max(alive) == 4


def test_a_second_call_starts_no_process(house: RunnerFixture) -> None:
    content_hash = house.publish(HELLO)
    called(house, content_hash)
    before = (house.pool.starts, house.pool.process_ids())

    called(house, content_hash)
    assert (house.pool.starts, house.pool.process_ids()) == before


def test_an_ended_call_leaves_nothing_for_the_collector(house: RunnerFixture) -> None:
    # What is in a reference cycle, such as a body of 4 MiB or a secret, would stay until the collector runs.
    content_hash = house.publish(HELLO)
    called(house, content_hash)
    gc.collect()
    gc.disable()
    try:
        called(house, content_hash)
        left = [type(found).__name__ for found in gc.get_objects() if isinstance(found, OF_ONE_CALL)]
    finally:
        gc.enable()
    assert left == []


def test_a_new_sandbox_loads_again_and_fetches_nothing(house: RunnerFixture, store: CountingStore) -> None:
    content_hash = house.publish(HELLO)
    called(house, content_hash)
    store.asked.clear()
    os.kill(house.pool.process_ids()[0], signal.SIGKILL)
    time.sleep(0.05)  # dead, and seen to be

    assert called(house, content_hash) == b"hello"
    assert store.asked == []


# --- an artifact folder that somebody removes ---


def test_a_program_is_loaded_from_a_folder_that_was_made_anew(house: RunnerFixture) -> None:
    called(house, house.publish(HELLO))
    other = house.publish(OTHER)
    shutil.rmtree(house.folder)

    assert called(house, other) == b"other"


def test_a_health_check_in_between_hides_nothing(house: RunnerFixture) -> None:
    hello, other = house.publish(HELLO), house.publish(OTHER)
    called(house, hello)
    shutil.rmtree(house.folder)
    house.send("GET", "/healthz")

    assert (called(house, other), called(house, hello)) == (b"other", b"hello")


def test_a_spare_that_was_let_into_the_removed_folder_is_not_used(house: RunnerFixture) -> None:
    hello, other = house.publish(HELLO), house.publish(OTHER)
    called(house, hello)
    house.pool.ensure_spare()
    spare = house.pool.process_ids()[-1]
    shutil.rmtree(house.folder)

    assert called(house, other) == b"other"
    assert spare not in house.pool.process_ids()


# --- warming ---


def test_warming_a_program_says_it_is_ready(house: RunnerFixture) -> None:
    status, document = warmed(house, {"content_hash": house.publish(HELLO)})

    assert (status, document["ready"], "error" in document) == (200, True, False)
    assert document["artifact_bytes"] > 1_000
    assert document["duration_ms"] > 0


def test_the_first_call_after_warming_fetches_nothing(house: RunnerFixture, store: CountingStore) -> None:
    content_hash = house.publish(HELLO)
    warmed(house, {"content_hash": content_hash})
    store.asked.clear()

    assert called(house, content_hash) == b"hello"
    assert store.asked == []


def test_the_sandbox_that_warmed_a_program_serves_no_call(house: RunnerFixture) -> None:
    content_hash = house.publish(HELLO)
    house.pool.health()
    (before,) = house.pool.process_ids()
    warmed(house, {"content_hash": content_hash})
    called(house, content_hash)

    assert before not in house.pool.process_ids()


@pytest.mark.parametrize("token", [None, "Bearer", "Bearer x", "Basic eDp5"])
def test_warming_without_an_operator_token_is_unauthorised(house: RunnerFixture, token: str | None) -> None:
    body = json.dumps({"content_hash": house.publish(HELLO)}).encode()
    answer = house.post("/warmup", body, {"authorization": token} if token else {})

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorized")
    assert house.pool.starts == 0


def test_an_execution_token_does_not_warm(house: RunnerFixture) -> None:
    content_hash = house.publish(HELLO)
    request = call(content_hash)
    token = house.token(request, encode(request))
    body = json.dumps({"content_hash": content_hash}).encode()

    assert house.post("/warmup", body, {"authorization": f"Bearer {token}"})["statusCode"] == 401


def test_the_token_is_checked_before_the_body_is_read(house: RunnerFixture) -> None:
    assert house.post("/warmup", b"{")["statusCode"] == 401


def test_warming_a_program_that_traps_when_it_starts_says_why_it_is_not_ready(house: RunnerFixture) -> None:
    status, document = warmed(house, {"content_hash": house.publish(GREEDY)})

    assert (status, document["ready"], document["error"]["code"]) == (200, False, "guest_trapped")


def test_the_runner_serves_calls_after_a_program_trapped_while_warming(house: RunnerFixture) -> None:
    warmed(house, {"content_hash": house.publish(GREEDY)})

    assert called(house, house.publish(HELLO)) == b"hello"


def test_warming_a_program_that_does_not_exist_is_refused(house: RunnerFixture) -> None:
    status, document = warmed(house, {"content_hash": "sha256:" + "0" * 64})

    assert (status, document["code"]) == (502, "artifact_not_found")


def test_warming_while_the_store_is_gone_says_that_the_runner_is_unavailable(tmp_path: Path) -> None:
    class GoneStore(CountingStore):
        def get_optional(self, key: str) -> bytes | None:
            raise PlatformError("object_store_unavailable", f"The store cannot be reached for {key}.")

    house = RunnerFixture(tmp_path / "gone", store=GoneStore())
    status, document = warmed(house, {"content_hash": "sha256:" + "0" * 64})
    house.close()

    assert (status, document["code"]) == (503, "runner_unavailable")
    assert "releases/" not in json.dumps(document)


def test_warming_a_program_that_was_changed_is_refused(house: RunnerFixture, store: CountingStore) -> None:
    content_hash = house.publish(HELLO)
    (code,) = [key for key in store.objects if key.endswith(".cwasm")]
    store.objects[code] = bytes([store.objects[code][0] ^ 1]) + store.objects[code][1:]
    status, document = warmed(house, {"content_hash": content_hash})

    assert (status, document["code"]) == (502, "artifact_integrity")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"[]", b"null", b'"sha256:"', {}, {"content_hash": None}, {"content_hash": 5},
        {"content_hash": ["sha256:" + "0" * 64]}, {"content_hash": ""}, {"content_hash": "sha256:xyz"},
        {"content_hash": "../" * 20}, {"content_hash": "sha256:" + "0" * 63}, {"content_hash": "sha1:" + "0" * 64},
    ],
)  # fmt: skip
def test_a_body_without_a_content_hash_is_an_invalid_request(house: RunnerFixture, body: object) -> None:
    status, document = warmed(house, body)

    assert (status, document["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_warming_by_another_method_is_refused(house: RunnerFixture, method: str) -> None:
    assert house.send(method, "/warmup")["statusCode"] == 405
