"""A store that goes away under a running platform: 503 with a problem document, and service again when it is back."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.site import Site
from tools.cli.client import Reply

PATIENCE_S = 30
ANSWER_WITHIN_S = 15


@contextmanager
def without_database(site: Site) -> Iterator[None]:
    postgres = site.platform.postgres
    assert postgres is not None
    site.loop.run(postgres.stop())
    try:
        yield
    finally:
        site.loop.run(postgres.start())


@contextmanager
def without_object_store_and_queues(site: Site) -> Iterator[None]:
    pid = site.platform.moto.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_stopped_database_is_a_503_and_service_returns(site: Site, hello: str) -> None:
    assert site.call(hello).status == 200

    with without_database(site):
        time.sleep(2.5)  # a resolved install is cached for two seconds
        assert_unavailable(site.call(hello))
        assert_unavailable(site.client("acme").request("GET", "/api/registry/v1/installs"))

    assert recovered(site, hello)


def test_suspended_stores_are_a_503_and_service_returns(site: Site, hello: str) -> None:
    assert site.call(hello).status == 200

    with without_object_store_and_queues(site):
        started = time.monotonic()
        assert_unavailable(site.call(hello))
        assert time.monotonic() - started < ANSWER_WITHIN_S

    assert recovered(site, hello)


def assert_unavailable(reply: Reply) -> None:
    assert reply.status == 503, reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert json.loads(reply.body)["code"] in {"policy_unavailable", "database_unavailable"}


def recovered(site: Site, hello: str) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if site.call(hello).status == 200:
            return True
        time.sleep(0.2)
    return False
