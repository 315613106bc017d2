"""Open a page in Chromium, Firefox or WebKit. What the page finds out it posts to its own server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import urllib3

ENGINES: Final = ("chromium", "firefox", "webkit")
_PROGRAMS: Final = {
    "chromium": ("chromium", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
    "webkit": ("WebKitWebDriver",),
}
_FIREFOX_PREFERENCES: Final = {
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
_START_WITHIN_S: Final = 20


def program(engine: str) -> str:
    """Return the path of an engine's program; skips the test where it is not installed. CHROMIUM names another one."""
    named = os.environ.get("CHROMIUM") if engine == "chromium" else None
    found = named or next((path for name in _PROGRAMS[engine] if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{engine} is not installed (Debian: chromium, firefox-esr, webkit2gtk-driver with xvfb)")
    return found


@contextmanager
def opened(engine: str, url: str) -> Iterator[None]:
    """Show a page until the block ends. No browser profile is kept."""
    path = program(engine)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        if engine == "webkit":
            with _webkit(path, url, Path(work)):
                yield
            return
        arguments = _chromium(work) if engine == "chromium" else _firefox(Path(work))
        with _running([path, *arguments, url], work):
            yield


def _chromium(work: str) -> list[str]:
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    return [*flags, "--disable-component-update", "--disable-sync", f"--user-data-dir={work}"]


def _firefox(work: Path) -> list[str]:
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _FIREFOX_PREFERENCES.items()]
    (work / "user.js").write_text("".join(lines), encoding="utf-8")
    return ["--headless", "--no-remote", "--profile", str(work)]


@contextmanager
def _webkit(driver: str, url: str, work: Path) -> Iterator[None]:
    """WebKit has no headless mode: its driver runs with a virtual screen."""
    screen = shutil.which("Xvfb")
    if screen is None:
        pytest.skip("Xvfb is not installed (Debian: xvfb)")
    reading, writing = os.pipe()
    arguments = [screen, "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with _running(arguments, str(work), passed=(writing,)):
        os.close(writing)
        with os.fdopen(reading) as numbers:
            display = f":{numbers.readline().strip()}"  # up to its end: Xvfb ends when it cannot write the line
        port = _free_port()
        with _running([driver, f"--port={port}"], str(work), display=display):
            session = _driver_session(f"http://127.0.0.1:{port}")
            urllib3.request("POST", f"{session}/url", json={"url": url}, timeout=60)
            yield


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _driver_session(driver: str) -> str:
    """Start a browser and return the address of its session."""
    deadline = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            urllib3.request("GET", f"{driver}/status", timeout=5, retries=False)
            break
        except urllib3.exceptions.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    # The page ends its own loading long after it has begun to add frames, so the driver must not wait for that.
    wanted = {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "none"}}}
    answer = urllib3.request("POST", f"{driver}/session", json=wanted, timeout=60, retries=False)
    assert answer.status == 200, answer.data
    return f"{driver}/session/{answer.json()['value']['sessionId']}"


@contextmanager
def _running(command: list[str], work: str, *, display: str = "", passed: tuple[int, ...] = ()) -> Iterator[None]:
    """Run a program in a process group of its own, and end the group."""
    environment = {**os.environ, "HOME": work, **({"DISPLAY": display} if display else {})}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        pass_fds=passed,
        start_new_session=True,
    )
    try:
        yield
    finally:
        _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
