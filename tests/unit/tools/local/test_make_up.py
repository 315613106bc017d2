"""`make up` hands the port of its command line to the platform, and no other."""

import os
import subprocess

import pytest

from tools.local.state import ROOT


@pytest.mark.parametrize(
    ("arguments", "environment", "port"),
    [((), {}, "8700"), (("PORT=9123",), {}, "9123"), ((), {"PORT": "3000"}, "8700"), (("PORT=0",), {"PORT": "1"}, "0")],
)
def test_make_up_starts_the_platform_at_the_given_port(
    arguments: tuple[str, ...], environment: dict[str, str], port: str
) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "up", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert shown.splitlines()[-1] == f"alga-ext dev --port {port}"
