"""The engine's version, which names every compiled program."""

import importlib.metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from functions.runner.sandbox.protocol import engine


def test_the_version_is_the_installed_packages() -> None:
    assert engine.wasmtime_version() == importlib.metadata.version("wasmtime")


@pytest.mark.parametrize("installed", [True, False])
def test_without_the_packages_metadata_there_is_no_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: bool
) -> None:
    spec = ModuleSpec("wasmtime", None, origin=str(tmp_path / "wasmtime" / "__init__.py")) if installed else None
    monkeypatch.setattr(engine, "find_spec", lambda _name: spec)

    with pytest.raises(LookupError, match="wasmtime"):
        engine.wasmtime_version()
