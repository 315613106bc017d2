"""The system's resolver: addresses without duplicates, and no lookup that goes on for long after it was given up."""

import subprocess
import sys

from functions.runner.imports.http.resolver import addresses_of
from tests.support.places import ROOT

_OPTIONS_THAT_GLIBC_SEES = """
import ctypes
from functions.runner.imports.http.resolver import limit_lookups
limit_lookups()
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print(getenv(b"RES_OPTIONS").decode())
"""


def test_an_address_is_named_once() -> None:
    assert addresses_of("127.0.0.1", 80) == ["127.0.0.1"]


def test_the_resolver_gives_up_after_two_attempts_of_two_seconds() -> None:
    command = [sys.executable, "-c", _OPTIONS_THAT_GLIBC_SEES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "timeout:2 attempts:2"
