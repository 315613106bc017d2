"""A runner that is killed during a call: the call is answered, recorded as the platform's failure, and counted once."""

import os
import signal
import time
from contextlib import suppress
from threading import Thread

import pytest

from tests.integration.conftest import HELLO
from tests.support.site import Site
from tests.support.wat import guest
from tools.cli.client import Reply


def sleeper(nanoseconds: int) -> bytes:
    """Build a guest that logs a line, sleeps and traps."""
    return guest(
        f"""
          (call $logging.log-info (i32.const 0) (i32.const 5))
          (call $wasi.block (call $wasi.subscribe (i64.const {nanoseconds})))
          (unreachable)
        """,
        imports=["logging.log-info"],
        wasi=["sleep"],
        data=HELLO,
    )


def kill_runners(site: Site) -> None:
    """End the runners of the tenant, as a lack of memory would."""
    for process_id in site.platform.functions.pids("runner"):
        with suppress(ProcessLookupError):  # it was killed before, and the platform has not noticed yet
            os.kill(process_id, signal.SIGKILL)


def counted(site: Site, install_id: str) -> int:
    sql = "select coalesce(sum(calls), 0) as n from app.extension_quota_usage "
    sql += "where install_id = cast(:install_id as uuid) and length(period) = 10"
    return int(site.rows("acme", sql, install_id=install_id)[0]["n"])


def test_a_call_whose_runner_is_killed_is_recorded_and_counted_once(site: Site) -> None:
    install_id = site.install(sleeper(3_600_000_000_000), capabilities=["cap:log.emit"], limits={"timeout_ms": 10_000})
    replies: list[Reply] = []
    calling = Thread(target=lambda: replies.append(site.call(install_id)))
    calling.start()
    accepted = "select state from app.extension_execution_log where install_id = cast(:install_id as uuid)"
    deadline = time.monotonic() + 30
    while not site.rows("acme", accepted, install_id=install_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_runners(site)
    calling.join(60)

    (reply,) = replies
    assert reply.status in (502, 503)
    row = site.record(reply.headers["x-request-id"])
    assert (row["state"], row["outcome"], row["status"]) == ("finished", "platform_error", reply.status)
    assert counted(site, install_id) == 1


@pytest.mark.kills
def test_calls_whose_runners_are_killed_at_any_instant_are_recorded_and_counted_once(site: Site) -> None:
    """From before a runner has started until after the guest has ended, every 40 ms."""
    install_id = site.install(sleeper(200_000_000), capabilities=["cap:log.emit"], limits={"timeout_ms": 10_000})
    replies: list[Reply] = []
    for number in range(48):
        if number % 4 == 0:  # else the breaker would open
            replies.append(site.call(install_id))
            kill_runners(site)
        calling = Thread(target=lambda: replies.append(site.call(install_id)))
        calling.start()
        time.sleep(number * 0.04)
        kill_runners(site)
        calling.join(60)

    assert len(replies) == 60
    records = [site.record(reply.headers["x-request-id"]) for reply in replies]
    assert {row["outcome"] for row in records} == {"platform_error", "trapped"}
    assert [row["status"] for row in records] == [reply.status for reply in replies]
    rows = "select count(*) as n from app.extension_execution_log where install_id = cast(:install_id as uuid)"
    assert site.rows("acme", rows, install_id=install_id) == [{"n": 60}]
    assert counted(site, install_id) == 60


def test_the_next_call_has_a_runner_again(site: Site, hello: str) -> None:
    kill_runners(site)
    replies = [site.call(hello) for _ in range(2)]
    assert replies[-1].status == 200
