"""The part of the engine's C interface that a call needs, with addresses as plain integers.

wasmtime-py declares these functions with pointer types, whose objects cost more time than the calls. Here functions are
fetched by item (``dll[name]``), which makes private copies, so that wasmtime-py's own declarations do not change.
"""

import ctypes
from ctypes import CFUNCTYPE, c_bool, c_char_p, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any, Final

from wasmtime import Config, Engine
from wasmtime import _ffi as _binding

from functions.runner.sandbox.protocol.engine import settings

_DLL: Final = _binding.dll

HOST_CALLBACK = CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
"""(data, context, type, args, args count, results, results count) → address of an error, or 0."""
FINALIZER = CFUNCTYPE(None, c_void_p)
OUTPUT_CALLBACK = CFUNCTYPE(ctypes.c_ssize_t, c_void_p, c_void_p, c_size_t)
"""(data, bytes, size) → size written."""

NO_FINALIZER = FINALIZER()


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = _DLL[name]
    function.restype = result
    function.argtypes = arguments
    return function


store_new = _function("wasmtime_store_new", c_void_p, c_void_p, c_void_p, c_void_p)
store_context = _function("wasmtime_store_context", c_void_p, c_void_p)
store_limiter = _function("wasmtime_store_limiter", None, c_void_p, c_int64, c_int64, c_int64, c_int64, c_int64)
store_delete = _function("wasmtime_store_delete", None, c_void_p)
set_epoch_deadline = _function("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
set_fuel = _function("wasmtime_context_set_fuel", c_void_p, c_void_p, c_uint64)
get_fuel = _function("wasmtime_context_get_fuel", c_void_p, c_void_p, c_void_p)
set_wasi = _function("wasmtime_context_set_wasi", c_void_p, c_void_p, c_void_p)
wasi_new = _function("wasi_config_new", c_void_p)
wasi_stdout = _function("wasi_config_set_stdout_custom", None, c_void_p, OUTPUT_CALLBACK, c_void_p, FINALIZER)
wasi_stderr = _function("wasi_config_set_stderr_custom", None, c_void_p, OUTPUT_CALLBACK, c_void_p, FINALIZER)
increment_epoch = _function("wasmtime_engine_increment_epoch", None, c_void_p)

linker_add_function = _function(
    "wasmtime_component_linker_instance_add_func",
    c_void_p, c_void_p, c_char_p, c_size_t, HOST_CALLBACK, c_void_p, FINALIZER,
)  # fmt: skip
instantiate = _function("wasmtime_component_linker_instantiate", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
instance_function = _function("wasmtime_component_instance_get_func", c_bool, c_void_p, c_void_p, c_void_p, c_void_p)
call = _function("wasmtime_component_func_call", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
value_clone = _function("wasmtime_component_val_clone", None, c_void_p, c_void_p)
value_delete = _function("wasmtime_component_val_delete", None, c_void_p)

_error_new = _function("wasmtime_error_new", c_void_p, c_char_p)
_error_message = _function("wasmtime_error_message", None, c_void_p, c_void_p)
_error_exit_status = _function("wasmtime_error_exit_status", c_bool, c_void_p, c_void_p)
_error_delete = _function("wasmtime_error_delete", None, c_void_p)
_bytes_delete = _function("wasm_byte_vec_delete", None, c_void_p)


class Failure(Exception):
    """An error that the engine returned: its text, and the exit status if the guest called ``exit``."""

    def __init__(self, text: str, exit_status: int | None = None) -> None:
        self.text = text
        self.exit_status = exit_status
        super().__init__(text)


def error(text: str) -> int:
    """Make an error and return its address. The engine owns it from then on."""
    address: int = _error_new(text.encode().replace(b"\0", b"?"))
    return address


def check(address: int | None) -> None:
    """Raise ``Failure`` for an error that the engine returned, and free the error. None means success."""
    if address is None:
        return
    status = ctypes.c_int(0)
    exited = _error_exit_status(address, ctypes.addressof(status))
    vector = (c_size_t * 2)()
    _error_message(address, ctypes.addressof(vector))
    text = ctypes.string_at(vector[1], vector[0]).decode("utf-8", "replace") if vector[0] else ""
    _bytes_delete(ctypes.addressof(vector))
    _error_delete(address)
    raise Failure(text, status.value if exited else None)


def make_engine() -> Engine:
    """Make an engine with the platform's settings."""
    config = Config()
    for name, value in settings().items():
        setattr(config, name, value)
    return Engine(config)


def pointer_of(managed: Any) -> int:
    """Return the address of a wasmtime-py object's native object. The wasmtime-py object still owns it.

    Raises:
        ValueError: the object has been closed.
    """
    address = ctypes.cast(managed.ptr(), c_void_p).value
    if address is None:
        message = "the engine object has been closed"
        raise ValueError(message)
    return address
