"""Several calls at once in one runner whose disk has room for one program only."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.runner_fixture import RunnerFixture, body_of, call
from tests.support.wat import guest


def saying(text: str) -> bytes:
    return guest(
        f"(call $respond (i32.const 200) (i32.const 256) (i32.const {len(text)}))",
        data=f'(data (i32.const 256) "{text}")',
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path / "house", artifact_budget_bytes=1, sandboxes=6)
    yield made
    made.close()


def test_every_call_gets_its_own_program_although_only_one_fits(house: RunnerFixture) -> None:
    texts = [f"guest {n}" for n in range(4)]
    hashes = {text: house.publish(saying(text)) for text in texts}

    def one(text: str) -> str:
        answer = house.execute(call(hashes[text], timeout_ms=10_000))
        return body_of(answer).decode() if answer.error is None else answer.error.code

    wanted = texts * 10
    with ThreadPoolExecutor(8) as threads:
        heard = list(threads.map(one, wanted))
    assert heard == wanted


def test_no_more_than_one_program_is_left_when_all_calls_are_over(house: RunnerFixture) -> None:
    hashes = [house.publish(saying(f"guest {n}")) for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda content_hash: house.execute(call(content_hash)), hashes * 3))
    files = list(house.folder.glob("*.cwasm"))
    assert (len(files), house.artifacts.size_bytes()) == (1, files[0].stat().st_size)


def test_a_program_whose_file_vanished_is_fetched_again(house: RunnerFixture) -> None:
    content_hash = house.publish(saying("back"))
    house.execute(call(content_hash))
    house.execute(call(house.publish(saying("between"))))
    for file in house.folder.glob("*.cwasm"):
        file.unlink()
    assert body_of(house.execute(call(content_hash))) == b"back"


def test_a_file_that_vanishes_while_its_call_waits_for_the_sandbox_is_fetched_again(tmp_path: Path) -> None:
    house = RunnerFixture(tmp_path / "house")
    try:
        waiting = house.publish(saying("back"))
        busy = house.publish(
            guest(
                "(call $wasi.block (call $wasi.subscribe (i64.const 600000000)))"
                "(call $respond (i32.const 200) (i32.const 0) (i32.const 0))",
                wasi=["sleep"],
            )
        )
        house.execute(call(waiting))
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(house.execute, call(busy))
            time.sleep(0.2)
            second = threads.submit(house.execute, call(waiting))
            time.sleep(0.2)
            for file in house.folder.glob("*.cwasm"):
                file.unlink()
            assert (first.result().error, body_of(second.result())) == (None, b"back")
    finally:
        house.close()


def test_a_disk_that_takes_no_file_is_answered_as_unavailable(house: RunnerFixture) -> None:
    content_hash = house.publish(saying("x"))
    shutil.rmtree(house.folder)
    house.folder.write_bytes(b"in the way")
    assert house.answer(call(content_hash))["statusCode"] == 503
