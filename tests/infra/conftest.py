"""The built assets. Without the runtime's Python their tests are skipped; with CI=true they fail."""

import os
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tools.assets.build import build
from tools.assets.runtime import NoRuntimePythonError, runtime_python


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The runtime's Python."""
    try:
        return runtime_python()
    except NoRuntimePythonError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"THE ASSETS ARE NOT TESTED: {error}")


@pytest.fixture(scope="session")
def dist(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All functions and layers, as ``make build`` builds them."""
    target = tmp_path_factory.mktemp("assets") / "dist"
    build(ROOT, target)
    return target
