"""A runner that is killed during a call: the call is answered, recorded as the platform's failure, and counted once."""

import os
import signal
import time
from threading import Thread

from tests.integration.conftest import HELLO
from tests.support.site import Site
from tests.support.wat import guest
from tools.cli.client import Reply

SLEEPER = guest(
    """
      (call $logging.log-info (i32.const 0) (i32.const 5))
      (call $wasi.block (call $wasi.subscribe (i64.const 3600000000000)))
      (unreachable)
    """,
    imports=["logging.log-info"],
    wasi=["sleep"],
    data=HELLO,
)


def kill_runners(site: Site) -> None:
    """End the runners of the tenant, as a lack of memory would."""
    for process_id in site.platform.functions.pids("runner"):
        os.kill(process_id, signal.SIGKILL)


def counted(site: Site, install_id: str) -> int:
    sql = "select coalesce(sum(calls), 0) as n from app.extension_quota_usage "
    sql += "where install_id = cast(:install_id as uuid) and length(period) = 10"
    return int(site.rows("acme", sql, install_id=install_id)[0]["n"])


def test_a_call_whose_runner_is_killed_is_recorded_and_counted_once(site: Site) -> None:
    install_id = site.install(SLEEPER, capabilities=["cap:log.emit"], limits={"timeout_ms": 10_000})
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


def test_the_next_call_has_a_runner_again(site: Site, hello: str) -> None:
    kill_runners(site)
    replies = [site.call(hello) for _ in range(2)]
    assert replies[-1].status == 200
