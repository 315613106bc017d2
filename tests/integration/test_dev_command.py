"""``alga-ext dev`` as a process: it says where it is, allows one a checkout, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.dev import ALGA_EXT, Dev, folder_named
from tests.support.manifests import encoded, ui_document
from tools.cli.bundles import pack_folder, sign_bundle
from tools.cli.client import Client
from tools.cli.samples import TOKENS
from tools.local.keys import load_or_make_keys
from tools.local.lock import PlatformLock
from tools.local.ports import listening
from tools.local.state import ROOT, read_state

OWN_PAGE = "http://localhost:3999"


@pytest.fixture
def state() -> Iterator[Path]:
    yield from folder_named("alone")


@pytest.fixture(scope="module")
def shared() -> Iterator[Dev]:
    """A running platform that tests may look at and not end."""
    for folder in folder_named("shared"):
        dev = Dev(folder, {}, "--host-origin", OWN_PAGE)
        try:
            dev.wait_until_ready()
            yield dev
        finally:
            dev.end(signal.SIGINT)


def start_another(state: Path, port: str) -> subprocess.CompletedProcess[str]:
    command = [ALGA_EXT, "dev", "--no-samples", "--port", port, "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def started_below(state: Path) -> set[int]:
    """Processes that work for the platform of a state folder: its name is in their arguments or environment."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if not ended and str(state).encode() in told:
            found.add(int(folder.name))
    return found


def children_of(pid: int) -> set[int]:
    """All descendants of a process."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: set[int] = set()
    while True:
        more = {child for child, parent in parents.items() if parent in {pid, *found}} - found
        if not more:
            return found
        found |= more


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def ports_of(document: Mapping[str, Any]) -> list[int]:
    urls = [document[name] for name in ("api", "ui", "host", "invoke", "database", "endpoint_url")]
    return [int(found[1]) for url in urls if (found := re.search(r":(\d+)(?:/|$)", url))]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_leaves_no_process_port_or_lock(state: Path, how: signal.Signals) -> None:
    dev = Dev(state, {})
    document = dev.wait_until_ready()
    client = Client(document["api"], None)
    assert client.request("GET", "/healthz").status == 200
    client.close()
    children, ports = children_of(dev.process.pid), ports_of(document)
    assert len(ports) == 6
    assert all(listening(port) for port in ports)
    # moto, PostgreSQL, gateway, runner with its sandboxes, uihost, recorder
    assert len(children) >= 6

    status = dev.end(how)

    assert status == (0 if how is not signal.SIGKILL else -signal.SIGKILL)
    deadline = time.monotonic() + 5
    while (alive(children) or started_below(state)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(children) == set()
    assert started_below(state) == set()
    assert [port for port in ports if listening(port)] == []
    PlatformLock(state / "lock").release()  # not held
    if how is not signal.SIGKILL:
        assert not (state / "run").exists()


def test_a_second_platform_in_the_same_place_is_refused_and_told_why(shared: Dev) -> None:
    second = start_another(shared.state, "0")

    assert second.returncode == 1
    assert f"already running in this checkout (process {shared.process.pid})" in second.stderr
    assert shared.process.poll() is None


def test_a_proxy_of_the_shell_is_not_used_for_this_machine(state: Path, tmp_path: Path) -> None:
    proxy = "http://127.0.0.1:9"  # nobody listens there
    dev = Dev(state, dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), proxy))
    document = dev.wait_until_ready()
    try:
        keys = load_or_make_keys(state / "keys")
        operator = Client(document["api"], keys.token(TOKENS["operator"]))
        operator.create_publisher("acme", "Acme")
        operator.add_key("acme", keys.publisher.public_pem)
        (tmp_path / "tree" / "ui").mkdir(parents=True)
        (tmp_path / "tree/ui/index.html").write_text("<!doctype html><title>x</title>")
        (tmp_path / "tree/manifest.json").write_bytes(encoded(ui_document()))
        archive = pack_folder(tmp_path / "tree", tmp_path / "bundle.tar.zst").archive

        sent = operator.publish(archive, sign_bundle(archive, keys.publisher), "acme")

        assert operator.wait_until_decided(sent["version_id"], 60)["state"] == "ready"
    finally:
        assert dev.end(signal.SIGINT) == 0


def test_ctrl_c_during_the_start_leaves_nothing(state: Path) -> None:
    dev = Dev(state, {})
    deadline = time.monotonic() + 20
    while not (state / "run" / "postgres").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert dev.end(signal.SIGINT) == 0

    assert started_below(state) == set()
    assert not (state / "run").exists()


def test_a_taken_port_is_named_and_nothing_stays(shared: Dev, state: Path) -> None:
    document = read_state(shared.state)
    assert document is not None
    port = document["api"].rpartition(":")[2]

    second = start_another(state, port)

    assert second.returncode == 1
    assert f"Port {port} cannot be used" in second.stderr
    assert started_below(state) == set()


def test_extensions_can_be_switched_off(state: Path) -> None:
    dev = Dev(state, {"EXTENSIONS_ENABLED": "false"})
    document = dev.wait_until_ready()
    try:
        client = Client(document["api"], (state / "run" / "tokens" / "acme-user").read_text())
        reply = client.request("GET", "/api/ext/samples.dev.alga.hello/hello")
        assert (reply.status, json.loads(reply.body)["code"]) == (503, "extensions_disabled")
        assert client.request("GET", "/healthz").status == 200
        client.close()
    finally:
        dev.end(signal.SIGINT)


def test_secrets_are_in_private_files_and_on_no_command_line(shared: Dev) -> None:
    state, document = shared.state, read_state(shared.state)
    assert document is not None
    password = document["database"].split(":")[2].split("@")[0]
    pids = {shared.process.pid, *children_of(shared.process.pid)}

    arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    assert password.encode() not in arguments
    assert b"PRIVATE KEY" not in arguments
    keys = [path for path in (state / "keys").iterdir() if not path.name.endswith(".pub.pem")]
    private = [*keys, *(state / "run" / "tokens").iterdir(), state / "run" / "platform.json"]
    assert {path: oct(path.stat().st_mode & 0o777) for path in private} == dict.fromkeys(private, "0o600")


def test_a_page_of_the_developer_may_call_extensions(shared: Dev) -> None:
    found = read_state(shared.state)
    assert found is not None
    asked = {"origin": OWN_PAGE, "access-control-request-method": "POST"}
    answer = requests.options(f"{found['api']}/api/ext/acme.notes/x", headers=asked, timeout=30)

    assert answer.headers["access-control-allow-origin"] == OWN_PAGE


@pytest.mark.parametrize("origin", ["localhost:3000", "http://example.com", "http://localhost:3000/", "*"])
def test_an_origin_that_no_browser_sends_is_refused(state: Path, origin: str) -> None:
    command = [ALGA_EXT, "dev", "--no-samples", "--port", "0", "--state", str(state), "--host-origin", origin]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "--host-origin: its origin 1 " in ended.stderr
