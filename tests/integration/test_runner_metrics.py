"""What runner and prepare count, with real sandboxes and a real compiler."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from tests.support import wat
from tests.support.emitted import by_dimension, totals
from tests.support.runner_fixture import RunnerFixture, call

GOOD = wat.guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 0))")
SLEEPER = wat.guest("(call $wasi.block (call $wasi.subscribe (i64.const 3600000000000))) (unreachable)", wasi=["sleep"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path_factory.mktemp("metrics"))
    yield made
    made.close()


def test_a_program_is_fetched_for_the_first_call_only(house: RunnerFixture) -> None:
    content_hash = house.publish(GOOD)

    first, second = house.execute(call(content_hash)), house.execute(call(content_hash))

    assert (first.program_fetched, second.program_fetched) == (True, False)


def test_a_sandbox_that_is_killed_is_counted(house: RunnerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    house.execute(call(house.publish(SLEEPER), timeout_ms=300))

    assert totals(capsys.readouterr().out)["SandboxKills"] == 1


def test_a_component_that_compiles_counts_as_ok(house: RunnerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    house.prepared(wat.guest("(call $respond (i32.const 201) (i32.const 0) (i32.const 0))"))

    assert by_dimension(capsys.readouterr().out, "PrecompileResults") == {"ok": 1}


def test_a_component_that_cannot_be_used_counts_as_rejected(
    house: RunnerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    house.prepared(b"\0asm, but no component")

    assert by_dimension(capsys.readouterr().out, "PrecompileResults") == {"rejected": 1}


def test_a_preparation_that_has_to_be_repeated_counts_as_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = RunnerFixture(tmp_path / "artifacts")
    monkeypatch.setattr(house.store, "put_new_file", _unavailable)

    with pytest.raises(PlatformError, match="object_store_unavailable"):
        house.prepared(GOOD)

    house.close()
    assert by_dimension(capsys.readouterr().out, "PrecompileResults") == {"failed": 1}


def _unavailable(*_: object) -> None:
    raise PlatformError("object_store_unavailable", "It cannot be reached.")
