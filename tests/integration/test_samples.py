"""``alga-ext dev`` with its samples: the lines it prints work when they are pasted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dev import Dev, folder_named

# From nothing: two guests are built and compiled, on a machine that may be busy.
READY_WITHIN_S = 600


@pytest.fixture(scope="module")
def greeting() -> Iterator[str]:
    for folder in folder_named("samples"):
        dev = Dev(folder, {}, samples=True)
        try:
            dev.wait_until_ready(READY_WITHIN_S)
            yield dev.output.read_text()
        finally:
            dev.end(signal.SIGINT)


def pasted(greeting: str) -> list[str]:
    """Every printed line that is a command."""
    return [line.strip() for line in greeting.splitlines() if line.startswith(("  curl ", "  alga-ext "))]


def run(line: str) -> str:
    """Run a printed line in a shell that has the commands on its path, and return its output."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_printed_line_works(greeting: str) -> None:
    answers = [run(line) for line in pasted(greeting)]
    hello, echo, created, listed, refused, published, scheduled, ran, ticked, _ = answers

    assert json.loads(hello)["greeting"] == "Hello, Ada!"
    assert echo == "to and fro"
    assert json.loads(created)["title"] == "First"
    assert [note["title"] for note in json.loads(listed)["notes"]] == ["First"]
    assert json.loads(refused)["code"] == "not_installed"
    assert published.startswith("accepted: ticket.created ")
    assert "schedule_id" in json.loads(scheduled)
    assert ran.startswith("delivery ")
    assert "fired: " in ticked
    greeted: set[str] = set()
    deadline = time.monotonic() + 60
    while len(greeted) < 2 and time.monotonic() < deadline:  # deliveries take a moment
        greeted = {one["greeting"] for one in json.loads(run(pasted(greeting)[-1]))["greeted"]}
    assert greeted == {"Hello, ticket T-1!", "Hello, morning!"}


def test_a_body_with_a_byte_order_mark_is_read(greeting: str) -> None:
    (line,) = (line for line in pasted(greeting) if "/notes -d" in line)
    command, _, _ = line.rpartition(" -d ")
    body = b'\xef\xbb\xbf{"title": "Marked"}'

    done = subprocess.run(["bash", "-c", f"{command} --data-binary @-"], input=body, capture_output=True, check=True)

    assert json.loads(done.stdout)["title"] == "Marked"


def test_the_printed_token_lines_can_be_sourced(greeting: str) -> None:
    source = next(line.strip() for line in greeting.splitlines() if line.startswith("  source "))

    done = subprocess.run(
        ["bash", "-c", f'{source} && echo "$ALGA_URL" && echo "$ACME_ADMIN"'],
        capture_output=True,
        text=True,
        check=True,
    )

    url, token = done.stdout.split()
    assert url in greeting
    assert token.count(".") == 2
