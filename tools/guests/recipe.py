"""The recipe: how an extension's folder becomes a component and a UI.

Most extensions need no recipe file. The entry file of the server shows its language (``index.ts``, ``index.js`` or
``app.py``, next to the manifest or in ``server/``). The UI is the folder ``ui/`` with ``app.ts`` or ``app.js`` as its
script. ``build.toml`` changes these defaults::

    [server]
    entry = "server/index.js"   # app.py makes a Python guest
    engine = "quickjs"          # or "starlingmonkey": larger, slower to build, with all web APIs

    [ui]
    folder = "ui"
    scripts = ["app.js"]        # bundled with their imports; every other file is copied unchanged
"""

import tomllib
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from tools.guests.errors import GuestBuildError

RECIPE_NAME: Final = "build.toml"
_SERVER_ENTRIES: Final = ("index.ts", "index.js", "app.py", "server/index.ts", "server/index.js", "server/app.py")
_UI_SCRIPTS: Final = ("app.ts", "app.js")

Engine = Literal["quickjs", "starlingmonkey", "cpython"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ServerFile(_Part):
    entry: str | None = None
    engine: Engine | None = None


class _UiFile(_Part):
    folder: str = "ui"
    scripts: tuple[str, ...] | None = None


class _RecipeFile(_Part):
    server: _ServerFile = _ServerFile()
    ui: _UiFile = _UiFile()


class Server(_Part):
    """The server handlers: the entry file, relative to the extension's folder, and the engine that runs it."""

    entry: Path
    engine: Engine


class Ui(_Part):
    """The UI: its folder, relative to the extension's, and the scripts in it that are bundled."""

    folder: Path
    scripts: tuple[Path, ...]


class Recipe(_Part):
    """The parts that are built; ``None`` for a part that the extension does not have."""

    server: Server | None
    ui: Ui | None


def read_recipe(source_dir: Path, engine: Engine | None = None) -> Recipe:
    """Read the recipe of an extension's folder from its ``build.toml`` and its files.

    Args:
        source_dir: the extension's folder.
        engine: overrides the engine of the recipe; for building one source for two engines.

    Raises:
        GuestBuildError: ``build.toml`` is not valid, or names files that do not exist.
    """
    if not source_dir.is_dir():
        message = f"{source_dir} is not a folder."
        raise GuestBuildError(message)
    file = _read_file(source_dir / RECIPE_NAME)
    return Recipe(server=_server(source_dir, file.server, engine), ui=_ui(source_dir, file.ui))


def _read_file(path: Path) -> _RecipeFile:
    if not path.is_file():
        return _RecipeFile()
    try:
        return _RecipeFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not valid TOML: {error}"
        raise GuestBuildError(message) from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in f['loc'])}: {f['msg']}" for f in error.errors())
        message = f"{path}: {faults}"
        raise GuestBuildError(message) from None


def _server(source_dir: Path, file: _ServerFile, engine: Engine | None) -> Server | None:
    if file.entry is not None:
        entry = _existing(source_dir, Path(file.entry))
    else:
        found = [Path(name) for name in _SERVER_ENTRIES if (source_dir / name).is_file()]
        if not found:
            return None
        if len(found) > 1:
            message = f"{source_dir} has {found[0]} and {found[1]}; say in {RECIPE_NAME} which one is server.entry."
            raise GuestBuildError(message)
        entry = found[0]
    is_python = entry.suffix == ".py"
    chosen: Engine = engine or file.engine or ("cpython" if is_python else "quickjs")
    if is_python != (chosen == "cpython"):
        message = (
            f"{source_dir / entry} cannot run on the engine {chosen!r}; 'cpython' is for .py files and only for them."
        )
        raise GuestBuildError(message)
    return Server(entry=entry, engine=chosen)


def _ui(source_dir: Path, file: _UiFile) -> Ui | None:
    folder = source_dir / file.folder
    if not folder.is_dir():
        return None
    if file.scripts is None:
        scripts = tuple(Path(name) for name in _UI_SCRIPTS if (folder / name).is_file())
    else:
        scripts = tuple(_existing(folder, Path(name)) for name in file.scripts)
    return Ui(folder=Path(file.folder), scripts=scripts)


def _existing(folder: Path, path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts or not (folder / path).is_file():
        message = f"{RECIPE_NAME} names {path}, which is not a file below {folder}."
        raise GuestBuildError(message)
    return path
