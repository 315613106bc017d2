"""The runner's own process, which holds credentials, is closed to every other process of its user.

The kernel lets a process look into another of the same user that is dumpable. Root's capabilities get around that, so
here both sides give up theirs first; a process that is like the runner's but never imported its handler shows that the
looking itself works.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.places import ROOT

CANARY: Final = "canary-in-the-environment"

_AS_ANY_USER: Final = """
import ctypes
from alga_ext.confinement.confine import _drop_capabilities
_drop_capabilities(ctypes.CDLL(None, use_errno=True))
"""
_HOLDER: Final = """
import sys
{work}
print("ready", flush=True)
sys.stdin.read()
"""
_LOOKER: Final = """
import json, os, sys
def look(name):
    try:
        if name == "fd/0":
            return os.readlink(f"/proc/{sys.argv[1]}/{name}")
        with open(f"/proc/{sys.argv[1]}/{name}", "rb") as file:
            return repr(file.read(100_000))
    except OSError as error:
        return type(error).__name__
print(json.dumps({name: look(name) for name in ("environ", "maps", "fd/0", "mem")}))
"""


def environment(folder: Path) -> dict[str, str]:
    """Return what the handler needs to start; none of it is reached."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "DATABASE_URL": f"postgresql://fn_runner:{CANARY}@127.0.0.1:1/none",
        "BUNDLE_STORE_BASE": "s3://none",
        "SIGNING_TRUST_BUNDLE": '{"version": 1, "keys": []}',
        "EXECUTION_TOKEN_PUBLIC_KEY": LocalSigner.generate().public_pem,
        "ARTIFACT_FOLDER": str(folder),
    }


def seen(work: str, folder: Path) -> dict[str, str]:
    """Return what another process of the same user sees of one that has done ``work``."""
    given = environment(folder)
    with subprocess.Popen(
        [sys.executable, "-c", _AS_ANY_USER + _HOLDER.format(work=work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=given,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        looked = subprocess.run(
            [sys.executable, "-c", _AS_ANY_USER + _LOOKER, str(holder.pid)],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={**given, "AWS_SECRET_ACCESS_KEY": "", "DATABASE_URL": ""},
        )
        holder.stdin.close()
    found: dict[str, str] = json.loads(looked.stdout)
    return found


@pytest.fixture(scope="module")
def of_the_runner(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return seen("import functions.runner.handler", tmp_path_factory.mktemp("artifacts"))


@pytest.mark.parametrize("name", ["environ", "maps", "fd/0", "mem"])
def test_another_process_of_the_same_user_cannot_look_into_the_runner(of_the_runner: dict[str, str], name: str) -> None:
    assert of_the_runner[name] == "PermissionError"


def test_the_same_process_could_look_into_one_that_is_not_the_runner(tmp_path: Path) -> None:
    assert CANARY in seen("import functions.runner.runner", tmp_path)["environ"]
