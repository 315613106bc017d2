"""The yardstick: the same component called through wasmtime-py's own API, in this process, a fresh instance each call.

Engine settings, limits and WASI are the sandbox's, so that what is compared is the way around the engine alone.
"""

from collections.abc import Callable
from typing import Any

import wasmtime
from wasmtime import component

from functions.runner.sandbox.child.linking import refused_imports
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.world import IMPORTS

MEMORY_BYTES = 128 << 20


class _Record:
    """A record as wasmtime-py wants it: any object with the fields' names."""

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name.replace("_", "-"), value)


class Bare:
    """One component, compiled as it is (without the platform's adapter)."""

    def __init__(self, binary: bytes) -> None:
        self._engine = abi.make_engine()
        self._component = component.Component(self._engine, binary)
        self._linker = component.Linker(self._engine)
        self._linker.add_wasip2()
        self._linker.allow_shadowing = True
        with self._linker.root() as root:
            for interface, functions in IMPORTS.items():
                with root.add_instance(f"alga:extension/{interface}") as instance:
                    for name in functions:
                        instance.add_func(name, _nothing)
            with root.add_instance("alga:extension/types"):
                pass
            for interface, members in refused_imports(self._engine, self._component):
                with root.add_instance(interface) as instance:
                    for number, (name, is_resource) in enumerate(members):
                        if is_resource:
                            instance.add_resource(name, component.ResourceType.host(1_000 + number), _nothing)
                        else:
                            instance.add_func(name, _nothing)

    def call(self, method: str, path: str, body: bytes | None) -> Any:
        """Instantiate, call ``handler`` by ``Func.__call__`` and return its response record."""
        store = wasmtime.Store(self._engine)
        store.set_fuel(1 << 60)
        store.set_epoch_deadline(1 << 40)
        store.set_limits(memory_size=MEMORY_BYTES)
        store.set_wasi(wasmtime.WasiConfig())
        instance = self._linker.instantiate(store, self._component)
        handler = instance.get_func(store, "handler")
        if handler is None:
            message = "the component exports no handler"
            raise ValueError(message)
        context = _Record(request_id="r", tenant_id="acme", extension_id="e", install_id="i", version_id="v")
        http = _Record(method=method, url=path, headers=[], body=body)
        response = handler(store, _Record(context=context, http=http))
        store.close()
        return response


def _nothing(*_: Any) -> None:
    return None


def caller(binary: bytes, method: str, path: str, body: bytes | None) -> Callable[[], Any]:
    """Return a call of a component that can be repeated."""
    bare = Bare(binary)
    return lambda: bare.call(method, path, body)
