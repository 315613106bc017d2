"""Parts of the platform that the other tests do not touch: another database server, schedules, reaping."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alga_ext.stores.database import Database
from tests.support.dev import folder_named
from tests.support.servers import Loop
from tools.local import deployment
from tools.local.function_processes import Functions
from tools.local.lambda_types import FunctionSpec
from tools.local.platform import Options, Platform, StartError
from tools.local.postgres import Postgres
from tools.local.schedules import Ticker
from tools.local.state import read_state
from topology.functions import SWEEPER
from topology.schedules import Schedule

SMALL = "tests.support.small_functions."


@pytest.fixture
def state() -> Iterator[Path]:
    yield from folder_named("platform")


def test_a_database_server_of_ones_own_gets_a_fresh_database_and_keeps_nothing(
    server_loop: Loop, server_folder: Path, state: Path
) -> None:
    server = Postgres(server_folder / "own", server_folder / "own.log")
    server_loop.run(server.create())
    server_loop.run(server.start())
    before = databases(server.url)
    platform = Platform(Options(state, 0, 0, 0, environ={"DATABASE_URL": server.url}))
    try:
        server_loop.run(platform.start())
        during = databases(server.url)
        assert platform.postgres is None
        server_loop.run(platform.stop())
        assert read_state(state) is None
        assert len(during - before) == 1
        assert databases(server.url) == before
    finally:
        server_loop.run(server.stop())
        shutil.rmtree(server_folder / "own")


def test_a_start_without_a_value_for_a_required_name_says_which_and_leaves_nothing(
    server_loop: Loop, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding = replace(SWEEPER, required=(*SWEEPER.required, "NEW_SETTING"))
    monkeypatch.setattr(deployment, "FUNCTIONS", (demanding,))
    platform = Platform(Options(state, 0, 0, 0, environ={}))

    with pytest.raises(StartError, match="The function sweeper needs NEW_SETTING"):
        server_loop.run(platform.start())

    assert read_state(state) is None
    assert platform.moto.pid is None


def databases(url: str) -> set[str]:
    database = Database(url)
    try:
        with database.system() as tx:
            return {row["datname"] for row in tx.rows("select datname from pg_database")}
    finally:
        database.close()


@pytest.fixture
def functions(server_loop: Loop, tmp_path: Path) -> Iterator[Functions]:
    specs = (FunctionSpec("echo", SMALL + "echo", 5), FunctionSpec("refuse", SMALL + "refuse", 5))
    functions = Functions(specs, tmp_path / "logs", tmp_path / "tmp")
    yield functions
    server_loop.run(functions.close())


def test_a_schedule_invokes_again_and_again_and_outlives_a_failure(server_loop: Loop, functions: Functions) -> None:
    async def tick_for(seconds: float) -> None:
        ticker = Ticker(functions, (Schedule("echo", 0.05), Schedule("refuse", 0.05)))
        ticker.start()
        await asyncio.sleep(seconds)
        await ticker.close()

    server_loop.run(tick_for(2))

    assert json.loads(server_loop.run(functions.invoke("echo", b"{}")).payload)["calls"] > 3


def test_idle_processes_are_reaped_and_started_again(server_loop: Loop, functions: Functions) -> None:
    first = json.loads(server_loop.run(functions.invoke("echo", b"{}")).payload)["pid"]

    async def reap() -> None:
        functions.reap(time.monotonic() + 1)

    def reaped() -> bool:
        server_loop.run(reap())  # takes it once it has asked for its next work
        return functions.pids("echo") == []

    wait_until(reaped)
    assert json.loads(server_loop.run(functions.invoke("echo", b"{}")).payload)["pid"] != first


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
