"""Import, while a Python guest is built, what its calls would import.

This module is not part of the build tools: it is copied into every Python guest and runs inside it, once, at build
time. A guest starts each call from a snapshot and has no file system, so only modules that were imported before can be
used. A function that contains an ``import``, of the guest or of the standard library, would fail in the first call.
"""

import dis
import encodings
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

# The standard library loads these from C code, where no import statement can be found.
_LOADED_BY_C = ("_strptime", "stringprep", "unicodedata")
# Where the compiler shows the guest's own folder; see tools/guests/python.py.
_OWN_SOURCES = "/0/"
# What functions of the standard library import although a guest has no processes, sockets, files, threads or terminal.
_WITHOUT_USE = {
    "argparse", "asyncio", "bz2", "cmd", "code", "codeop", "concurrent", "ctypes", "curses", "dbm", "doctest",
    "ensurepip", "fnmatch", "ftplib", "getopt", "getpass", "gettext", "glob", "grp", "gzip", "http", "idlelib",
    "importlib", "lzma", "mmap", "multiprocessing", "nt", "optparse", "pdb", "pty", "pwd", "pydoc", "queue",
    "readline", "select", "selectors", "shutil", "signal", "site", "socket", "sqlite3", "ssl", "subprocess",
    "tarfile", "tempfile", "termios", "test", "threading", "tkinter", "tracemalloc", "tty", "turtle", "unittest",
    "venv", "webbrowser", "winreg", "zipfile", "zlib",
}  # fmt: skip
_NOT_SEARCHED = frozenset(
    {"_frozen_importlib", "_frozen_importlib_external", "_pyrepl", "dis", "importlib", "inspect", "pathlib", "site"}
    | {"zipimport"}
)


def load_what_calls_import() -> None:
    """Import every text encoding, and all that functions of the loaded modules import; repeat for what that loads.

    Afterwards the garbage collector does not look at what exists by then.
    """
    for name in (*_LOADED_BY_C, *(f"encodings.{name}" for name in _encodings())):
        _import(name, {}, (), 0)
    searched: set[CodeType] = set()
    while True:
        functions = [found for found in gc.get_objects() if isinstance(found, FunctionType)]
        new = [function for function in functions if function.__code__ not in searched]
        if not new:
            break
        for function in new:
            searched.add(function.__code__)
            own = function.__code__.co_filename.startswith(_OWN_SOURCES)
            if own or (function.__module__ or "").partition(".")[0] not in _NOT_SEARCHED:
                for name, names, level in imports_of(function.__code__):
                    if own or level or name.partition(".")[0] not in _WITHOUT_USE:
                        _import(name, function.__globals__, names, level)
    gc.collect()
    gc.freeze()  # a collection during a call would write to every object, and so copy pages of the snapshot


def imports_of(code: CodeType) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Yield the arguments of each import in a function and in the functions inside it: module, names, level."""
    loaded: list[object] = [0, None]  # an import is preceded by the loading of its level and of its names
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = loaded
            yield str(instruction.argval), names if isinstance(names, tuple) else (), int(str(level))
        loaded = [loaded[1], instruction.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imports_of(constant)


def _encodings() -> list[str]:
    files = (file for folder in encodings.__path__ for file in Path(folder).glob("*.py"))
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def _import(name: str, module: dict[str, object], names: tuple[str, ...], level: int) -> None:
    before = set(sys.modules)
    try:
        __import__(name, module, None, names, level)
    except Exception:  # noqa: BLE001 - an optional module that is missing or not made for this system
        for half_loaded in set(sys.modules) - before:
            del sys.modules[half_loaded]
