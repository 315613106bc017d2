"""What happens when the assets cannot be built, and which packages a layer has."""

import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tools.assets import build as build_module
from tools.assets.build import build
from tools.assets.bytecode import compile_folder
from tools.assets.layers import BuildError, build_packages, locked


def recipe(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text(text)
    return folder


def test_the_packages_of_a_recipe_are_read_with_their_hashes(tmp_path: Path) -> None:
    text = "# made by a tool\na==1 \\\n    --hash=sha256:aa\n    # via b\nb-c==2.0 ; x < '3' \\\n    --hash=sha256:bb\n"
    found = locked(recipe(tmp_path / "r", text) / "requirements.txt")
    assert found == {
        "a": "a==1 \\\n    --hash=sha256:aa\n    # via b\n",
        "b-c": "b-c==2.0 ; x < '3' \\\n    --hash=sha256:bb\n",
    }


def test_packages_of_two_layers_have_one_version() -> None:
    recipes = [locked(ROOT / "layers" / name / "requirements.txt") for name in ("deps", "aws", "wasmtime")]
    lines: dict[str, set[str]] = {}
    for packages in recipes:
        for name, text in packages.items():
            lines.setdefault(name, set()).add(text.splitlines()[0])
    assert {name: found for name, found in lines.items() if len(found) > 1} == {}


def test_a_package_with_another_hash_ends_the_build(tmp_path: Path) -> None:
    text = locked(ROOT / "layers/deps/requirements.txt")["six"].splitlines()[0] + f"\n    --hash=sha256:{'0' * 64}\n"
    recipe(tmp_path / "layers/deps", text)
    with pytest.raises(BuildError, match=r"(?s)cannot be installed for the Lambda runtime: six\n"):
        build_packages("deps", tmp_path / "layers", tmp_path / "out")


def test_a_module_that_does_not_compile_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def\n")
    with pytest.raises(BuildError, match=r"(?s)does not compile.*broken\.py"):
        compile_folder(Path(sys.executable), tmp_path, "/var/task")


def test_a_build_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise BuildError("no")

    monkeypatch.setattr(build_module, "runtime_python", lambda: Path("/nowhere"))
    monkeypatch.setattr(build_module, "build_packages", failing)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/kept").write_text("kept")
    with pytest.raises(BuildError):
        build(ROOT, tmp_path / "dist")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["dist", "dist/kept"]
