"""Build extensions from source: the component, the UI, and the tree that is packed."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from alga_ext.bundles.manifest import MANIFEST_NAME, Manifest, parse_manifest
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.publishing.bundle_contents import matches
from tools.guests import javascript, python
from tools.guests.cache import built, only_one
from tools.guests.errors import GuestBuildError
from tools.guests.inputs import files_below, hash_of, package_files
from tools.guests.pages import build_pages
from tools.guests.places import FRAME_SDK_SOURCE, RUNTIME_PACKAGE, WIT, WORLD
from tools.guests.recipe import Engine, Recipe, Server, Ui, read_recipe
from tools.guests.scripts import bundler_version
from tools.guests.source_map import SourceMap

_COMPONENT_NAME: Final = "main.wasm"
_NEVER_PACKED: Final = frozenset({"node_modules", "__pycache__"})
_BUILD_CODE: Final = Path(__file__).parent


def build_component(source_dir: Path, *, engine: Engine | None = None) -> Path:
    """Build the server handlers of an extension and return the component's path in the cache.

    Args:
        source_dir: the extension's folder.
        engine: overrides the recipe's engine.

    Raises:
        GuestBuildError: the folder has no server handlers, or a tool fails.
    """
    source_dir = source_dir.resolve()
    recipe = read_recipe(source_dir, engine)
    server = recipe.server
    if server is None:
        message = (
            f"{source_dir} has no server handlers. Add index.ts, index.js or app.py to this folder or its server/."
        )
        raise GuestBuildError(message)

    def compile_into(work: Path) -> None:
        entry, out = source_dir / server.entry, work / _COMPONENT_NAME
        if server.engine == "cpython":
            python.compile_python(entry, out)
        else:
            javascript.compile_javascript(entry, server.engine, out, within=source_dir)

    return built("guests", _component_key(source_dir, recipe, server), compile_into) / _COMPONENT_NAME


def source_map_of(source_dir: Path) -> tuple[str, SourceMap] | None:
    """Return the name of the built script of an extension in JavaScript, and its source map; None for other extensions.

    The sources are built if they are not in the cache. The map belongs to them as they are now.

    Raises:
        GuestBuildError: see ``build_component``.
    """
    file = build_component(source_dir).with_name(javascript.SOURCE_MAP_NAME)
    return SourceMap.parse(file.read_text("utf-8")) if file.is_file() else None


def build_ui(source_dir: Path) -> Path:
    """Build the UI of an extension and return its folder in the cache.

    Raises:
        GuestBuildError: the extension has no UI folder, or the bundler fails.
    """
    source_dir = source_dir.resolve()
    ui = read_recipe(source_dir).ui
    if ui is None:
        message = f"{source_dir} has no UI folder."
        raise GuestBuildError(message)
    return built("pages", _pages_key(source_dir, ui), lambda work: build_pages(source_dir, ui, work))


def build_extension(source_dir: Path, out: Path) -> Manifest:
    """Build an extension and write the tree to pack into ``out``: manifest, component, UI, other assets, SBOM.

    ``out`` is replaced as a whole. It is not touched when it already has the same content, so that several processes
    may build into it and read from it. Component and UI come from the cache when nothing changed.

    Raises:
        GuestBuildError: a part that the manifest names cannot be built, or a tool fails.
        PlatformError: ``manifest_invalid``, as the registry would answer.
    """
    source_dir = source_dir.resolve()
    path = source_dir / MANIFEST_NAME
    if not path.is_file():
        message = f"{source_dir} has no {MANIFEST_NAME}."
        raise GuestBuildError(message)
    data = path.read_bytes()
    manifest = parse_manifest(data)
    if manifest.config is not None:
        with closing(Evaluator(in_transaction=lambda: False)) as evaluator:
            evaluator.check_schema(manifest.config)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (work / MANIFEST_NAME).write_bytes(data)
        _fill(work, source_dir, manifest)
        work.chmod(0o755)
        with only_one(out.with_name(f".{out.name}.lock")):
            if not (out.is_dir() and _hash_of_tree(out) == _hash_of_tree(work)):
                shutil.rmtree(out, ignore_errors=True)
                work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _fill(tree: Path, source_dir: Path, manifest: Manifest) -> None:
    """Add the files that the manifest names to a tree."""
    if manifest.component_path is not None:
        target = tree / manifest.component_path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(build_component(source_dir), target)
    ui = read_recipe(source_dir).ui
    if ui is not None:
        shutil.copytree(build_ui(source_dir), tree / ui.folder)
    for file in _further_files(source_dir, manifest, ui):
        if not (tree / file).exists():  # what was built is not replaced by what lies in the source folder
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source_dir / file, tree / file)


def _hash_of_tree(folder: Path) -> str:
    return hash_of([], [(folder, sorted(path for path in folder.rglob("*") if path.is_file()))])


def _further_files(source_dir: Path, manifest: Manifest, ui: Ui | None) -> Iterator[Path]:
    """Yield the files that the manifest names in addition to component and UI, relative to the source folder.

    These are assets elsewhere, precompiled files and the SBOM. A named file that does not exist is left out: the check
    of the bundle says what it lacks.
    """
    pages = [] if ui is None else [source_dir / ui.folder]
    named = {*manifest.precompiled.values(), *([manifest.sbom] if manifest.sbom is not None else [])}
    for file in files_below(source_dir, without=pages, left_out=_NEVER_PACKED):
        path = file.relative_to(source_dir)
        if path.as_posix() in named or any(matches(path.as_posix(), pattern) for pattern in manifest.assets):
            yield path


def _component_key(source_dir: Path, recipe: Recipe, server: Server) -> str:
    """Hash the inputs of the component: for JavaScript the whole folder without the UI, for Python the server's."""
    if server.engine == "cpython":
        folder = (source_dir / server.entry).parent
        trees = [(folder, [file for file in files_below(folder) if file.suffix == ".py"])]
        versions = python.tool_versions()
    else:
        ui = [] if recipe.ui is None else [source_dir / recipe.ui.folder]
        kept = [file for file in files_below(source_dir, without=ui) if file.suffix != ".md"]
        trees = [
            (source_dir, [*kept, *package_files(source_dir)]),
            (RUNTIME_PACKAGE, list(files_below(RUNTIME_PACKAGE))),
        ]
        versions = javascript.tool_versions(server.engine)
    trees += [(WIT, list(files_below(WIT))), (_BUILD_CODE, list(files_below(_BUILD_CODE)))]
    return hash_of([server.model_dump_json(), WORLD, *versions], trees)


def _pages_key(source_dir: Path, ui: Ui) -> str:
    folder = source_dir / ui.folder
    trees = [(root, list(files_below(root))) for root in (folder, FRAME_SDK_SOURCE, _BUILD_CODE)]
    trees.append((source_dir, list(package_files(source_dir))))
    return hash_of([json.dumps(ui.model_dump(mode="json")), bundler_version()], trees)
