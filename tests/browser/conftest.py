"""A platform with its samples, and a real browser driven by a script of each test's own."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.dev import Dev, folder_named
from tools.local.ports import free_port
from tools.local.state import ROOT

SCRIPTS = Path(__file__).parent
PICTURES = ROOT / ".build" / "screenshots"
READY_WITHIN_S = 600


def chromium() -> str:
    """Path of the browser; CHROMIUM names another than the one on the path."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("no browser: install chromium, or set CHROMIUM to the path of one")
    return found


class Site:
    """Addresses of the running platform, its tokens, what it printed, and a way to run a script in the browser.

    Pages of ``http://localhost:{own_port}`` may show and call its extensions; nothing listens there yet.
    """

    def __init__(self, addresses: Mapping[str, Any], tokens: Path, printed: str, own_port: int) -> None:
        self.addresses = addresses
        self.own_port = own_port
        self.tokens = tokens
        self.printed = printed

    def token(self, name: str) -> str:
        return (self.tokens / name).read_text(encoding="utf-8").strip()

    def run(self, script: str, **given: Any) -> Any:
        """Run a script with this platform's addresses (``run_script``)."""
        return run_script(script, **self.addresses, **given)


def run_script(script: str, within_s: float = 120, **given: Any) -> Any:
    """Run ``tests/browser/{script}`` with Node; it is given JSON and answers with JSON on its last line."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    document = {"chromium": chromium(), "pictures": str(PICTURES), **given}
    done = subprocess.run(
        ["node", str(SCRIPTS / script)],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=max(within_s, 120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    for folder in folder_named("browser"):
        own_port = free_port()
        dev = Dev(folder, {}, "--host-origin", f"http://localhost:{own_port}", samples=True)
        try:
            addresses = dev.wait_until_ready(READY_WITHIN_S)
            yield Site(addresses, folder / "run" / "tokens", dev.output.read_text(), own_port)
        finally:
            dev.end(signal.SIGINT)
