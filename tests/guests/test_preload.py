"""Which imports a Python guest makes during a call."""

from typing import Any

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
