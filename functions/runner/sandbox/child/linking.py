"""Load components, and bind their imports inside the child.

Every linker defines WASI 0.2 (its context has no environment, arguments, directories, input or network) and all of
``alga:extension``. Imports from ``wasi:http`` and ``wasi:sockets`` are replaced by functions that trap with a message
about the interface to use instead. Any other import stays undefined, so that instantiation fails.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from wasmtime import Engine, component

from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.messages import Program
from functions.runner.sandbox.protocol.world import EXPORT_NAME, IMPORTS, PACKAGE, PACKED_EXPORT_NAME

REFUSED_PACKAGES: Final = ("wasi:http/", "wasi:sockets/")
REFUSAL_TEXT: Final = (
    "is not available to extensions: use alga:extension/http, which needs the capability cap:http.fetch"
)

COMPONENTS_LIMIT: Final = 512
"""How many components may be loaded at the same time, however small: each holds a file descriptor, and the child has
few of these."""

Refused = frozenset[tuple[str, tuple[tuple[str, bool], ...]]]
"""The refused imports of one component: interface name → names of its functions (False) and resources (True)."""


class LinkError(Exception):
    """The component does not export what a call needs. The text is for the publisher."""


class Loaded(NamedTuple):
    """A component ready to be instantiated: the addresses a call needs, and the objects that keep them valid."""

    component_pointer: int
    linker_pointer: int
    export_pointer: int
    is_packed: bool
    size_bytes: int
    owners: tuple[Any, ...]


def refused_imports(engine: Engine, loaded: component.Component) -> Refused:
    """Return what the component imports from the refused packages.

    A resource that an interface only reuses from another interface is left out, because it must not be defined twice.
    """
    found = []
    seen: list[component.ResourceType] = []
    for name, extern in loaded.type.imports(engine).items():
        kind = extern.ty
        if isinstance(kind, component.ComponentInstanceType):
            members = tuple(sorted(_members(engine, kind, seen)))
            if name.startswith(REFUSED_PACKAGES):
                found.append((name, members))
    return frozenset(found)


def _members(
    engine: Engine, instance: component.ComponentInstanceType, seen: list[component.ResourceType]
) -> Iterable[tuple[str, bool]]:
    for name, extern in instance.exports(engine).items():
        kind = extern.ty
        if isinstance(kind, component.FuncType):
            yield name, False
        elif isinstance(kind, component.ResourceType) and kind not in seen:
            seen.append(kind)
            yield name, True


class Linkers:
    """One linker for each set of refused imports. Most components share one.

    Args:
        engine: the child's engine.
        callbacks: the callback of every host import, by ``interface.function``. The caller must keep them alive.
    """

    def __init__(self, engine: Engine, callbacks: dict[str, Any]) -> None:
        self._engine = engine
        self._callbacks = callbacks
        self._linkers: OrderedDict[Refused, component.Linker] = OrderedDict()
        self._refusals: dict[str, Any] = {}
        self._destructor = abi.DESTRUCTOR(lambda _data, _context, _rep: 0)

    def linker_for(self, refused: Refused) -> component.Linker:
        """Return the linker for a component with these refused imports."""
        linker = self._linkers.get(refused)
        if linker is None:
            linker = self._linkers[refused] = self._make(refused)
            if len(self._linkers) > 64:
                self._linkers.popitem(last=False)
        return linker

    def _make(self, refused: Refused) -> component.Linker:
        linker = component.Linker(self._engine)
        linker.add_wasip2()
        linker.allow_shadowing = True
        with linker.root() as root:
            for interface, functions in IMPORTS.items():
                with root.add_instance(PACKAGE + interface) as instance:
                    for function in functions:
                        self._add(instance, function, self._callbacks[f"{interface}.{function}"])
            with root.add_instance(PACKAGE + "types"):
                pass
            for interface, members in refused:
                with root.add_instance(interface) as instance:
                    self._refuse(instance, interface, members)
        return linker

    def _refuse(self, instance: component.LinkerInstance, interface: str, members: Iterable[tuple[str, bool]]) -> None:
        for number, (name, is_resource) in enumerate(members):
            if is_resource:
                kind = component.ResourceType.host(1_000 + number)
                instance.add_resource(name, kind, lambda _store, _rep: None)
            else:
                self._add(instance, name, self._refusal(interface))

    def _refusal(self, interface: str) -> Any:
        callback = self._refusals.get(interface)
        if callback is None:
            text = f"{interface.partition('@')[0]} {REFUSAL_TEXT}"
            callback = self._refusals[interface] = abi.HOST_CALLBACK(lambda *_: abi.error(text))
        return callback

    def _add(self, instance: component.LinkerInstance, name: str, callback: Any) -> None:
        data = name.encode()
        abi.check(abi.linker_add_function(abi.pointer_of(instance), data, len(data), callback, None, abi.NO_FINALIZER))


class Components:
    """Loaded components by artifact key.

    The least recently used are dropped when the artifacts exceed the budget in bytes, or when there are more than
    ``COMPONENTS_LIMIT``.
    """

    def __init__(self, engine: Engine, linkers: Linkers, budget_bytes: int) -> None:
        self._engine = engine
        self._linkers = linkers
        self._budget_bytes = budget_bytes
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._bytes = 0
        self.loads = 0
        self._evicted: list[str] = []

    def get(self, artifact: Program) -> Loaded:
        """Return the component. It is loaded from its file if it is not loaded yet.

        Raises:
            LinkError: the component does not export ``handler``.
            wasmtime.WasmtimeError: the file is not an artifact of this engine.
        """
        loaded = self._loaded.get(artifact.key)
        if loaded is not None:
            self._loaded.move_to_end(artifact.key)
            return loaded
        self.loads += 1
        loaded = self._load(artifact)
        self._loaded[artifact.key] = loaded
        self._bytes += loaded.size_bytes
        while len(self._loaded) > COMPONENTS_LIMIT or (self._bytes > self._budget_bytes and len(self._loaded) > 1):
            key, evicted = self._loaded.popitem(last=False)
            self._bytes -= evicted.size_bytes
            self._evicted.append(key)
        return loaded

    def take_evicted(self) -> list[str]:
        """Return the keys of the components that were dropped since the last call of this method."""
        evicted, self._evicted = self._evicted, []
        return evicted

    def _load(self, artifact: Program) -> Loaded:
        program = component.Component.deserialize_file(self._engine, artifact.path)
        packed = program.get_export_index(PACKED_EXPORT_NAME)
        export = packed or program.get_export_index(EXPORT_NAME)
        if export is None:
            message = f"the component does not export {EXPORT_NAME!r}"
            raise LinkError(message)
        linker = self._linkers.linker_for(refused_imports(self._engine, program))
        return Loaded(
            abi.pointer_of(program),
            abi.pointer_of(linker),
            abi.pointer_of(export),
            packed is not None,
            artifact.size_bytes,
            (program, linker, export),
        )
