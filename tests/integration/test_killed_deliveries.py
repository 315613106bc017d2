"""Functions on the way of events and schedules are killed on the local platform: nothing is lost, or made twice.

A sample, with real processes. The kills before each step (``make kills``) are in tests/contract, and in
tests/registry/test_killed_events.py and test_ticker.py.
"""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from alga_ext.calls.deliveries import event_delivery_id, event_key, schedule_delivery_id
from tests.integration.test_events_and_schedules import (
    KEEPS_A_SCHEDULE,
    WORKS,
    admin_of,
    deliveries,
    install,
    new_topic,
    publish,
    send_at_once,
    wait_for,
)
from tests.support.site import Site

EVENTS = 20
LOST_EVENTS = """
update app.extension_event set recheck_at = now() where tenant_id = :tenant and fanned_out_at is null returning 1
"""
RECOVER = """
update app.extension_delivery set recheck_at = now(), lease_until = case when state = 'running' then now() end
where tenant_id = :tenant and state in ('queued', 'running', 'retrying') returning 1
"""


def kill(site: Site, function: str) -> int:
    """Kill the processes of a function as a lack of memory would, and return how many there were."""
    found = site.platform.functions.pids(function)
    for process_id in found:
        os.kill(process_id, signal.SIGKILL)
    return len(found)


def kill_while(site: Site, function: str, work: Callable[[], None]) -> None:
    """Do work in a thread, and kill the processes of a function once in it."""
    working = threading.Thread(target=work)
    working.start()
    deadline = time.monotonic() + 30
    while not kill(site, function) and time.monotonic() < deadline:
        time.sleep(0.05)
    working.join(90)


def tick(site: Site, tenant: str) -> None:
    """Let the minutes pass after which what was lost is looked for, and tick."""
    site.rows(tenant, RECOVER, tenant=tenant)
    site.rows(tenant, LOST_EVENTS, tenant=tenant)
    site.loop.run(site.platform.functions.invoke("ticker", b"{}"))


@pytest.mark.parametrize("function", ["registry", "fanout", "dispatcher"])
def test_events_survive_the_kill_of_a_function_once_each(site: Site, function: str) -> None:
    topic, tenant = new_topic(site), f"killed-{uuid.uuid4().hex[:8]}"
    install_id = install(site, tenant, WORKS, events=[{"topic": topic, "handler": "/on-event"}])
    ids = [uuid.uuid4().hex for _ in range(EVENTS)]

    def publish_all() -> None:
        for event_id in ids:
            wait_for(partial(accepted, site, tenant, topic, event_id), "an event was not accepted")

    kill_while(site, function, publish_all)

    def all_delivered() -> bool:
        states = [row["state"] for row in deliveries(site, tenant, install_id)]
        if len(states) >= EVENTS and set(states) == {"delivered"}:
            return True
        tick(site, tenant)
        time.sleep(2)  # what runs may end before it is taken for lost again
        return False

    wait_for(all_delivered, f"not all were delivered: {deliveries(site, tenant, install_id)}")
    expected = {event_delivery_id(event_key("/tests", event_id), install_id, "/on-event") for event_id in ids}
    found = [str(row["delivery_id"]) for row in deliveries(site, tenant, install_id)]
    assert sorted(found) == sorted(expected)


def accepted(site: Site, tenant: str, topic: str, event_id: str) -> bool:
    """Publish an event as a publisher does that repeats what was not answered with 202."""
    try:
        publish(site, tenant, topic, {}, id=event_id)
    except Exception:  # noqa: BLE001 - whatever a killed function is answered with
        return False
    return True


def test_a_due_schedule_survives_the_kill_of_the_ticker_once(site: Site) -> None:
    install_id = site.install(KEEPS_A_SCHEDULE, capabilities=["cap:scheduler.manage"])
    with admin_of(site, "acme") as admin:
        admin.json("PUT", f"/installs/{install_id}/grants", {"capabilities": ["cap:scheduler.manage"]})
        assert site.call(install_id, method="POST", body=b"c").status == 201
    sql = "update app.extension_schedule set next_run_at = date_trunc('second', now()) "
    sql += "where install_id = cast(:id as uuid) returning schedule_id, next_run_at"
    [due] = site.rows("acme", sql, id=install_id)

    kill_while(site, "ticker", lambda: ticked(site))
    ticked(site)

    expected = schedule_delivery_id(str(due["schedule_id"]), due["next_run_at"])
    found = wait_for(lambda: deliveries(site, "acme", install_id), "the run was lost")
    assert [str(row["delivery_id"]) for row in found] == [expected]
    tick(site, "acme")
    send_at_once(site, "acme", expected)

    def delivered() -> Any:
        return [row for row in deliveries(site, "acme", install_id) if row["state"] == "delivered"]

    assert len(wait_for(delivered, "the run was not delivered")) == 1


def ticked(site: Site) -> None:
    site.loop.run(site.platform.functions.invoke("ticker", b"{}"))
