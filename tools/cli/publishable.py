"""Refuse a built extension for what would make the registry refuse its publication or reject the version."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.messages import PreparedMessage, Reason
from functions.registry.publishing.declared_capabilities import compare_capabilities
from functions.runner.preparing.compile_worker import Compiler, Description, reasons_of
from functions.runner.preparing.preparation import compile_component
from functions.runner.sandbox.protocol.engine import wasmtime_version
from functions.runner.settings import PrepareSettings
from tools.cli.bundles import Packed, pack_folder
from tools.guests.inputs import files_below, hash_of
from tools.guests.places import CACHE, ROOT

_MIB: Final = 1024 * 1024
_DESCRIPTIONS: Final = CACHE / "descriptions"
_COMPILER_CODE: Final = ROOT / "functions" / "runner" / "sandbox"


class RejectedError(Exception):
    """The registry would reject the version; ``reasons`` are those that it would record."""

    def __init__(self, reasons: list[Reason]) -> None:
        super().__init__("; ".join(f"{reason.code}: {reason.detail}" for reason in reasons))
        self.reasons = reasons


def pack_publishable(folder: Path, archive: Path) -> Packed:
    """Pack a built extension and check it as publishing does: first the bundle, then its component.

    What only a platform knows is not checked: which names, versions and keys it has, and lower limits of its own.

    Raises PlatformError or RejectedError, and then removes the archive.
    """
    packed = pack_folder(folder, archive)
    try:
        if reasons := reasons_against(folder, packed.manifest):
            raise RejectedError(reasons)
    except Exception:
        archive.unlink()
        raise
    return packed


def reasons_against(folder: Path, manifest: Manifest) -> list[Reason]:
    """Compile the component of a built extension and return why the registry would reject the version.

    Raises PlatformError: `runner_unavailable` when the compiler cannot be confined on this machine.
    """
    found = Description([], [], [])
    if manifest.component_path is not None:
        found = _described(folder / manifest.component_path)
    reasons = reasons_of(found)
    message = PreparedMessage(version_id="", content_hash="", ok=not reasons, reasons=reasons, imports=found.imports)
    return compare_capabilities(message, manifest)[0]


def _described(component: Path) -> Description:
    """Compile and describe a component. Descriptions of usable components are cached, because compiling is slow."""
    sha256 = hashlib.sha256(component.read_bytes()).hexdigest()
    key = hash_of([sha256, wasmtime_version()], [(_COMPILER_CODE, list(files_below(_COMPILER_CODE)))])
    cached = _DESCRIPTIONS / f"{key}.json"
    if cached.is_file():
        return msgspec.json.decode(cached.read_bytes(), type=Description)
    _DESCRIPTIONS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="alga-compile-") as work:
        found = compile_component(_compiler(), component, Path(work) / "code.cwasm")
    if not found.reasons:
        descriptor, part = tempfile.mkstemp(dir=_DESCRIPTIONS)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(found))
        Path(part).replace(cached)
    return found


def _compiler() -> Compiler:
    """Return prepare's compiler with its default limits."""
    defaults = PrepareSettings.fields()
    return Compiler(defaults["compile_timeout_s"].default, defaults["compile_memory_mb"].default * _MIB)
