"""What `make build` makes: complete, for the runtime's Python and machine, without what Lambda does not need."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tools.assets.build import build, folder_bytes
from topology.functions import FUNCTIONS, Function
from topology.layers import LAYERS
from topology.runtime import CODE_FOLDER, LAYERS_FOLDER, PYTHON_VERSION

LARGEST_BYTES = 150 * 2**20
ELF_X86_64 = b"\x7fELF\x02\x01\x01", 18, b"\x3e\x00"
"""A file's first bytes, and the field of its machine."""
UNCHECKED_HASH = 0b01
TAG = PYTHON_VERSION.replace(".", "")

each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def modes(folder: Path) -> set[tuple[str, str]]:
    """What each kind of file may be used for, and by whom."""
    kinds = ((path, "folder" if path.is_dir() else "file") for path in folder.rglob("*"))
    return {(kind, oct(path.stat().st_mode & 0o777)) for path, kind in kinds}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def digest(folder: Path) -> str:
    hashed = hashlib.sha256()
    for name, data in files(folder).items():
        hashed.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return hashed.hexdigest()


def test_two_builds_in_two_folders_of_two_accounts_are_equal(dist: Path, tmp_path: Path) -> None:
    again = tmp_path / "a folder with another name" / "dist"
    again.parent.mkdir()
    mask = os.umask(0o077)
    try:
        build(ROOT, again)
    finally:
        os.umask(mask)
    assert (digest(again), modes(again)) == (digest(dist), modes(dist))


def test_every_account_can_read_an_asset(dist: Path) -> None:
    assert modes(dist) <= {("folder", "0o755"), ("file", "0o644"), ("file", "0o755")}


def test_an_asset_has_only_what_git_has(dist: Path) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    own = {"functions": dist / "functions", "layers/core": dist / "layers/core"}
    found = {
        str(path.relative_to(folder)).partition("/")[2] if kind == "functions" else f"{kind}/{path.relative_to(folder)}"
        for kind, folder in own.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in found - set(tracked) if not name.startswith("layers/core/rds/")} == set()


def test_there_is_a_folder_for_each_function_and_each_layer(dist: Path) -> None:
    assert {path.name for path in (dist / "functions").iterdir()} == {function.name for function in FUNCTIONS}
    assert {path.name for path in (dist / "layers").iterdir()} == {layer.name for layer in LAYERS}


def test_every_layer_has_a_recipe() -> None:
    folders = {path.name for path in (ROOT / "layers").iterdir() if path.is_dir()}
    assert folders == {layer.name for layer in LAYERS}


def test_every_library_is_for_the_runtimes_machine(dist: Path) -> None:
    begin, at, machine = ELF_X86_64
    libraries = {name: data for name, data in files(dist).items() if ".so" in Path(name).suffixes}
    wrong = [n for n, data in libraries.items() if not data.startswith(begin) or data[at : at + 2] != machine]
    assert (len(libraries) > 5, wrong) == (True, [])


def test_every_extension_module_is_for_the_runtimes_python(dist: Path) -> None:
    modules = [path.name for path in dist.rglob("*.so") if ".cpython-" in path.name]
    assert [name for name in modules if f".cpython-{TAG}-" not in name] == []


def test_the_engine_is_the_one_of_the_runtimes_machine(dist: Path) -> None:
    engines = [path.relative_to(dist / "layers/wasmtime/python") for path in dist.rglob("_libwasmtime.*")]
    assert [str(path) for path in engines] == ["wasmtime/linux-x86_64/_libwasmtime.so"]


@pytest.mark.parametrize("pattern", ["*.dll", "*.pyi", "pyseccomp*", "pytest*", "moto*", "*.whl"])
def test_nothing_is_in_an_asset_that_lambda_does_not_need(dist: Path, pattern: str) -> None:
    assert list(dist.rglob(pattern)) == []


def test_the_aws_sdk_is_in_its_own_layer_only(dist: Path) -> None:
    assert {path.relative_to(dist).parts[:2] for path in dist.rglob("boto*")} == {("layers", "aws")}


def test_no_two_layers_have_a_file_of_the_same_path(dist: Path) -> None:
    paths = [name for layer in LAYERS for name in files(dist / "layers" / layer.name)]
    assert len(paths) == len(set(paths))


@each_function
def test_a_function_and_its_layers_fit_into_lambda_with_room_to_spare(dist: Path, function: Function) -> None:
    folders = [dist / "functions" / function.name, *(dist / "layers" / layer.name for layer in function.layers)]
    size = sum(map(folder_bytes, folders))
    print(f"{function.name}: {size / 2**20:.1f} MiB unzipped, {(LARGEST_BYTES - size) / 2**20:.1f} MiB below our limit")
    assert size <= LARGEST_BYTES


@each_function
def test_a_functions_handler_is_in_its_asset(dist: Path, function: Function) -> None:
    module = function.handler.rpartition(".")[0].replace(".", "/")
    assert (dist / "functions" / function.name / f"{module}.py").is_file()


def test_every_module_has_bytecode_that_lambda_uses_as_it_is(dist: Path) -> None:
    missing, checked = [], []
    for source in dist.rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-{TAG}.pyc"
        if not compiled.is_file():
            missing.append(str(source.relative_to(dist)))
        elif int.from_bytes(compiled.read_bytes()[4:8], "little") != UNCHECKED_HASH:
            checked.append(str(source.relative_to(dist)))
    assert (missing, checked) == ([], [])


def test_tracebacks_show_the_paths_that_modules_have_in_lambda(dist: Path, runtime: Path) -> None:
    script = (
        "import marshal, pathlib, sys\n"
        "def codes(code):\n"
        "    yield code\n"
        "    for constant in code.co_consts:\n"
        "        if hasattr(constant, 'co_filename'): yield from codes(constant)\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.pyc'):\n"
        "    print(*{c.co_filename for c in codes(marshal.loads(path.read_bytes()[16:]))}, sep='\\n')\n"
    )
    shown = {}
    for kind in ("functions", "layers"):
        ran = subprocess.run([runtime, "-I", "-c", script, dist / kind], capture_output=True, text=True, check=True)
        shown[kind] = {"/".join(line.split("/")[:3]) for line in ran.stdout.split()}
    assert shown == {"functions": {CODE_FOLDER}, "layers": {f"{LAYERS_FOLDER}/python"}}
