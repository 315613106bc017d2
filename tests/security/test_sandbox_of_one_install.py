"""A sandbox that was taken over reaches one install's grants in one version, whatever it queues and whenever.

The child of every test speaks the protocol as it likes. The tenant's two installs hold a secret each.
"""

import base64
import contextlib
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteRequest, ExecuteResponse, SealedSecret
from functions.runner.imports import secrets
from functions.runner.sandboxes import process_start
from functions.runner.sandboxes.interpreter import interpreter
from tests.security.attacks import GREETING
from tests.security.test_hostile_sandbox import SCRIPT
from tests.support.confined_programs import with_script
from tests.support.runner_fixture import INSTALL, RunnerFixture, body_of, call
from tests.support.wat import guest

OTHER_INSTALL: Final = "44444444-4444-4444-8444-444444444444"

QUEUES: Final = {
    "after its answer": """
    channel.send(Done(200, [], b"done", Figures()))
    channel.send(HostCall("secrets.get", arguments("token")))
""",
    "together with its answer": """
    both = [msgspec.msgpack.encode(m) for m in (Done(200, [], b"done", Figures()),
            HostCall("secrets.get", arguments("token")))]
    raw(b"".join(len(data).to_bytes(4, "little") + data for data in both))
""",
    "a part of it": """
    channel.send(Done(200, [], b"done", Figures()))
    raw(b"\\x10\\0\\0\\0")
""",
    "a second answer": """
    channel.send(Done(200, [], b"done", Figures()))
    channel.send(Done(200, [], b"forged for the next call", Figures()))
""",
    "a log line": """
    channel.send(Done(200, [], b"done", Figures()))
    channel.send(LogLine("info", "guest", "of another call"))
""",
    "readiness again": """
    channel.send(Done(200, [], b"done", Figures()))
    channel.send(Ready([], []))
""",
}
"""How a child leaves something in its channel for the call after its own."""

READER: Final = 'tell(ask("secrets.get", "token"))'
"""A child that reads a secret and answers with it."""


class _Plain:
    """Opens what is not sealed at all."""

    def unseal(self, sealed: bytes, _context: Any) -> bytes:
        return sealed


class House:
    """A runner whose children behave as ``conduct`` says."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.fixture = RunnerFixture(folder, {"secrets": secrets.open_for}, unsealer=_Plain())
        self.greeting = self.fixture.publish(GREETING)
        self._patch = patch

    def behave(self, conduct: str) -> None:
        """Have the children that are started from now on behave like this."""

        def command(_module: str, *arguments: str) -> list[str]:
            start = interpreter("child.main", *arguments)
            return with_script(start, SCRIPT.replace("{conduct}", conduct))

        self._patch.setattr(process_start, "interpreter", command)

    def call(self, install_id: str, secret: str, grant_hash: str = "g") -> ExecuteResponse:
        return self.fixture.execute(self.request(install_id, secret, grant_hash))

    def request(self, install_id: str, secret: str, grant_hash: str) -> ExecuteRequest:
        request = call(self.greeting, install_id=install_id, providers=("cap:secrets.get",))
        request.grants = ExecuteGrants(secrets={"token": []}, hash=grant_hash)
        sealed = base64.b64encode(secret.encode()).decode()
        request.secret_envelope = [SealedSecret(name="token", sealed_b64=sealed, version=1)]
        return request


def await_queued(house: House) -> int:
    """Wait until what the most recently used child queued has arrived, and return its process id."""
    child = list(house.fixture.pool._assigned.values())[-1]
    until = time.monotonic() + 20
    while not child._channel.has_input() and time.monotonic() < until:
        time.sleep(0.001)
    assert child._channel.has_input()
    return child.process_id


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path / "house", monkeypatch)
    with contextlib.closing(made.fixture):
        yield made


def test_a_child_that_asks_in_its_own_call_gets_its_own_secret(house: House) -> None:
    house.behave(READER)
    assert b"secret of a" in body_of(house.call(INSTALL, "secret of a"))


@pytest.mark.parametrize("queue", QUEUES)
def test_what_a_child_queues_is_not_answered_in_a_call_of_another_install(house: House, queue: str) -> None:
    queueing = textwrap.indent(QUEUES[queue], "    ")
    house.behave(f"if message.context[3] == {INSTALL!r}:{queueing}    else: {READER}")
    house.call(INSTALL, "secret of a")
    first = await_queued(house)

    answered = house.call(OTHER_INSTALL, "secret of b")
    assert house.fixture.pool.process_ids()[0] != first
    assert body_of(answered) == b"([True, 'secret of b'], None)"


@pytest.mark.parametrize("queue", QUEUES)
def test_what_a_child_queues_ends_it_before_the_next_call_of_its_install(house: House, queue: str) -> None:
    house.behave(QUEUES[queue])
    house.call(INSTALL, "secret of a")
    first = await_queued(house)

    answered = house.call(INSTALL, "secret of a")
    assert first not in house.fixture.pool.process_ids()
    assert body_of(answered) == b"done"


@pytest.mark.parametrize(("install_id", "grant_hash"), [(OTHER_INSTALL, "g"), (INSTALL, "other grants"), (INSTALL, "")])
def test_another_install_or_another_set_of_grants_has_another_child(
    house: House, install_id: str, grant_hash: str
) -> None:
    house.behave("channel.send(Done(200, [], str(os.getpid()).encode(), Figures()))")
    first = body_of(house.call(INSTALL, "a"))

    assert body_of(house.call(install_id, "b", grant_hash)) != first
    assert body_of(house.call(INSTALL, "a")) == first


@pytest.mark.parametrize("change", [{"tenant_id": "globex"}, {"content_hash": "another program"}])
def test_another_tenant_or_another_version_has_another_child(house: House, change: dict[str, str]) -> None:
    house.behave("channel.send(Done(200, [], str(os.getpid()).encode(), Figures()))")
    other = house.fixture.publish(guest("(unreachable)")) if "content_hash" in change else house.greeting
    first = body_of(house.call(INSTALL, "a"))

    request = house.request(INSTALL, "b", "g")
    request.context = msgspec.structs.replace(request.context, **{**change, "content_hash": other})
    assert body_of(house.fixture.execute(request)) != first
    assert body_of(house.call(INSTALL, "a")) == first
