"""The topology is frozen data of the standard library's types."""

import ast
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT
from topology.access import ACCESS
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES, QUEUES
from topology.routes import ROUTES
from topology.schedules import SCHEDULES
from topology.secrets import SECRET_SETTINGS

TABLES = {
    "functions": FUNCTIONS,
    "queues": QUEUES,
    "event sources": EVENT_SOURCES,
    "routes": ROUTES,
    "schedules": SCHEDULES,
    "access": ACCESS,
    "secret settings": SECRET_SETTINGS,
}
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
each_module = pytest.mark.parametrize("module", sorted((ROOT / "topology").glob("*.py")), ids=lambda path: path.stem)


@each_table
def test_no_field_of_an_entry_can_be_set(table: tuple[Any, ...]) -> None:
    for entry in table:
        for field in fields(entry):
            with pytest.raises(FrozenInstanceError):
                setattr(entry, field.name, None)


@each_table
def test_nothing_within_an_entry_can_be_changed(table: tuple[object, ...]) -> None:
    assert isinstance(table, tuple)
    assert len({hash(entry) for entry in table}) == len(table)  # a list or a dictionary has no hash


@each_module
def test_a_module_imports_the_standard_library_and_the_its_own_package_only(module: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])

    assert imported <= {*sys.stdlib_module_names, "topology"}
