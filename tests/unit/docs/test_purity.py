"""A module that calls itself pure is held to it by the import contract "Modules that decide do no I/O"."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
(CONTRACT,) = (found for found in CONTRACTS if found["name"] == "Modules that decide do no I/O")
BASES = (ROOT / "layers" / "core" / "python", ROOT)


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the product, by its dotted name."""
    for base, package in zip(BASES, ("alga_ext", "functions"), strict=True):
        for path in (base / package).rglob("*.py"):
            yield ".".join(path.relative_to(base).with_suffix("").parts), path


def test_a_module_whose_docstring_claims_purity_is_in_the_contract() -> None:
    claiming = {
        name
        for name, path in modules()
        if re.search(r"\bpure\b", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "", re.IGNORECASE)
    }
    assert claiming - set(CONTRACT["source_modules"]) == set()
    assert len(claiming) > 10, "the search finds what it looks for"


@pytest.mark.parametrize("name", CONTRACT["source_modules"])
def test_the_contract_names_modules_that_exist(name: str) -> None:
    assert name in dict(modules())


@pytest.mark.parametrize("name", ["os", "socket", "subprocess", "threading", "time", "random", "secrets", "urllib3"])
def test_the_contract_forbids_what_does_io_or_differs_from_call_to_call(name: str) -> None:
    assert name in CONTRACT["forbidden_modules"]
