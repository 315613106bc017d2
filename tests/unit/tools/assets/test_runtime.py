"""Which interpreter is taken for the Lambda runtime's Python."""

import sys
from pathlib import Path

import pytest

from tools.assets import runtime
from tools.assets.runtime import NoRuntimePythonError, runtime_python

HERE = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a pyenv root in which nothing is installed, on a machine whose PATH has a uv that finds nothing."""
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(uv.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path / "pyenv"


def installed(root: Path, version: str) -> Path:
    interpreter = root / "versions" / version / "bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(sys.executable)
    return interpreter


def test_without_one_the_error_says_how_to_get_it(nothing_installed: Path) -> None:
    with pytest.raises(NoRuntimePythonError, match=r"uv python install 3\.13.*pyenv install 3\.13"):
        runtime_python()


def test_one_of_pyenv_is_found_although_it_is_not_chosen(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "PYTHON_VERSION", HERE)
    found = installed(nothing_installed, f"{HERE}.1")
    assert runtime_python() == found.resolve()


def test_one_on_the_path_is_found(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "PYTHON_VERSION", HERE)
    (tmp_path / f"bin/python{HERE}").symlink_to(sys.executable)
    assert runtime_python() == Path(sys.executable).resolve()


def test_what_only_has_the_name_of_the_version_is_not_taken(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "PYTHON_VERSION", "9.9")
    installed(nothing_installed, "9.9.1")
    with pytest.raises(NoRuntimePythonError):
        runtime_python()
