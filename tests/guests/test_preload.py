"""Which imports a Python guest makes during a call."""

import subprocess
import sys
from typing import Any

from tests.support.places import ROOT
from tools.guests.preload import imports_of

SOURCE = """
def outer():
    import json.decoder
    from os import path, sep
    def inner():
        from . import sibling
        from ..above import thing
"""


def test_imports_of_functions_and_of_functions_inside_them_are_found_with_names_and_levels() -> None:
    names: dict[str, Any] = {}
    exec(SOURCE, names)

    assert list(imports_of(names["outer"].__code__)) == [
        ("json.decoder", (), 0),
        ("os", ("path", "sep"), 0),
        ("", ("sibling",), 1),
        ("above", ("thing",), 2),
    ]


def test_code_without_imports_has_none() -> None:
    assert list(imports_of((lambda: 0).__code__)) == []


def test_the_collector_has_nothing_to_look_at_when_a_call_begins() -> None:
    script = (
        "import gc; from preload import load_what_calls_import; load_what_calls_import(); "
        "print(len(gc.get_objects()), gc.get_freeze_count())"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.append({str(ROOT / 'tools/guests')!r}); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )

    collected, frozen = map(int, ended.stdout.split())
    assert collected < 100 < frozen
