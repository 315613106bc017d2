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
    # `make test` tells its own make about itself, which would then print more.
    outside_make = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PORT"))
    }
    shown = subprocess.run(
        ["make", "--dry-run", "up", *arguments],
        cwd=ROOT,
        env={**outside_make, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert shown.splitlines()[-1] == f"alga-ext dev --port {port}"
