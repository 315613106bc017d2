"""The compile worker's main: read hostile WebAssembly, write native code and a report.

It has no credentials and no network, and can open no files. ``preparing.compile_worker`` starts it as a clean
interpreter with three descriptors: the component to read, the file to write, and the file for the report (JSON). It
confines itself before it reads the component. If a step of that is missing, it reads nothing and exits with status
``NOT_CONFINED_EXIT_STATUS``; only Landlock may be missing.
"""

import ctypes
import json
import os
import resource
import sys
import threading
from contextlib import suppress
from typing import Any, Final

from wasmtime import WasmtimeError, component

from alga_ext.confinement.confine import confine_and_seal, limit
from functions.runner.sandbox.child.linker_imports import host_functions
from functions.runner.sandbox.child.linking import Linker, refused_imports
from functions.runner.sandbox.compiler import typecheck
from functions.runner.sandbox.compiler.packing import COMPONENT_PREAMBLE, pack
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.refusals import REFUSALS
from functions.runner.sandbox.protocol.verdict import judge
from functions.runner.sandbox.protocol.world import PACKED_EXPORT_NAME

_OUTPUT_LIMIT_BYTES: Final = 1 << 30
_CHUNK_BYTES: Final = 1 << 22
_INSTANTIATE_TIMEOUT_S: Final = 10
_INSTANTIATE_MEMORY_BYTES: Final = 1 << 30
_MESSAGE_LIMIT: Final = 1_000


class _Refusing:
    """Answers host imports during instantiation as if no capability were granted."""

    def host_call(self, name: str, _arguments: list[Any]) -> Any:
        """See ``linker_imports.Session.host_call``."""
        return REFUSALS[name].answer

    def fault(self, name: str, error: BaseException) -> None:
        """See ``linker_imports.Session.fault``. Nothing to do here: the instantiation fails, and that is reported."""


def main() -> None:
    """Compile or inspect. The last six arguments are: mode, input, output, report, CPU seconds, data bytes.

    ``mode`` is ``compile`` or ``inspect``; input, output and report are descriptors.
    """
    mode, source, target, report, cpu_s, data_bytes = sys.argv[-6:]
    os.environ.clear()
    limit(resource.RLIMIT_CPU, int(cpu_s))
    confine_and_seal(int(data_bytes), _OUTPUT_LIMIT_BYTES)
    try:
        document = _compile(int(source), int(target)) if mode == "compile" else _inspect(int(source))
    except WasmtimeError as error:
        document = {"reasons": [["component_invalid", _clean(str(error))]], "imports": [], "exports": []}
    os.write(int(report), json.dumps(document).encode())


def _compile(source: int, target: int) -> dict[str, Any]:
    engine = abi.make_engine()
    contents = _contents(source)
    if not contents.startswith(COMPONENT_PREAMBLE):
        # The engine would also read the text format. No toolchain emits it, so it is not accepted.
        text = "The file is not a WebAssembly component in the binary format."
        return {"reasons": [["component_invalid", text]], "imports": [], "exports": []}
    program, is_packed = _program(engine, contents)
    document = _describe(engine, program)
    if not is_packed and PACKED_EXPORT_NAME in program.type.exports(engine):
        # It would be called instead of ``handler``.
        text = f"The component exports {PACKED_EXPORT_NAME!r}, a name that is reserved for the platform; remove it."
        document["reasons"].append(["component_world_mismatch", text])
    if not document["reasons"]:
        _write(target, program.serialize())
    return document


def _program(engine: Any, contents: bytes) -> tuple[component.Component, bool]:
    """Compile a component nested in its adapter, or without the adapter when that is not possible.

    Returns:
        The program, and whether it is nested in the adapter.
    """
    packed = pack(contents)
    if packed is not None:
        with suppress(WasmtimeError):
            return component.Component(engine, packed), True
    return component.Component(engine, contents), False


def _inspect(source: int) -> dict[str, Any]:
    """Describe native code that the platform has compiled and signed before."""
    engine = abi.make_engine()
    return _describe(engine, component.Component.deserialize(engine, _contents(source)))


def _describe(engine: Any, program: component.Component) -> dict[str, Any]:
    reasons = [["component_world_mismatch", text] for text in typecheck.misfits(engine, program)]
    if not reasons:
        reasons = _instantiation_faults(engine, program)
    return {
        "reasons": reasons,
        "imports": typecheck.import_names(engine, program),
        "exports": typecheck.export_names(engine, program),
    }


def _instantiation_faults(engine: Any, program: component.Component) -> list[list[str]]:
    """Instantiate once, which proves that the engine can bind every import. Return the reasons why it failed."""
    functions = host_functions(_Refusing())
    linker = Linker(engine, {name: function.callback for name, function in functions.items()})
    linker.refuse(refused_imports(engine, program))
    pointer = abi.pointer_of(engine)
    store = abi.store_new(pointer, None, None)
    context = abi.store_context(store)
    abi.store_limiter(store, _INSTANTIATE_MEMORY_BYTES, 1_000_000, 100, 20, 10)
    abi.set_epoch_deadline(context, 1)
    timer = threading.Timer(_INSTANTIATE_TIMEOUT_S, lambda: abi.increment_epoch(pointer))
    timer.daemon = True
    timer.start()
    instance = (ctypes.c_uint64 * 2)()
    try:
        abi.check(abi.set_fuel(context, 1 << 62))
        abi.check(abi.set_wasi(context, abi.wasi_new()))
        abi.check(abi.instantiate(linker.pointer, context, abi.pointer_of(program), ctypes.addressof(instance)))
    except abi.Failure as failure:
        verdict = judge(
            failure.text,
            failure.exit_status,
            past_deadline=False,
            memory_bytes=0,
            limit_bytes=_INSTANTIATE_MEMORY_BYTES,
        )
        return [["component_invalid", f"The component cannot be instantiated: {_clean(verdict.message)}"]]
    finally:
        timer.cancel()
        abi.store_delete(store)
    return []


def _contents(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, _CHUNK_BYTES):
        parts.append(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _clean(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE_LIMIT]
