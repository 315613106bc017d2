"""The local platform for integration tests: the real thing, on ports of its own, once a session."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.gateway import UNLIMITED
from tests.support.servers import Loop
from tests.support.site import Site
from tests.support.wat import guest
from tools.local.platform import Options, Platform
from tools.local.state import ROOT

LISTED_ORIGIN = "https://app.example.com"
HELLO = '(data (i32.const 0) "hello")'


@pytest.fixture(scope="session")
def site(server_loop: Loop) -> Iterator[Site]:
    # Below the checkout: the database's own account must be able to pass, which pytest's folders do not allow.
    state = ROOT / ".local" / f"tests-{os.getpid()}"
    # A long default, so that a busy machine is no failure; tests of time limits set their own.
    environ = {
        "EXT_GATEWAY_TIMEOUT_MS": "15000",
        "CORS_ORIGINS": LISTED_ORIGIN,
        "DEFAULT_LIMITS": UNLIMITED,
        "EGRESS_PRIVATE_NETWORKS": "127.0.0.0/8,::1/128",  # where tests have the hosts that a guest may fetch from
    }
    platform = Platform(Options(state, 0, 0, 0, environ=environ))
    server_loop.run(platform.start())
    try:
        site = Site(platform, server_loop)
        yield site
        site.close()
    finally:
        server_loop.run(platform.stop())
        shutil.rmtree(state)


@pytest.fixture(scope="session")
def hello(site: Site) -> str:
    """An installed extension that answers "hello" in plain text."""
    return site.install(guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 5))", data=HELLO))
