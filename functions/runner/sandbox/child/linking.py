"""Components and linkers: what a component's imports are bound to inside the child.

Every linker offers WASI 0.2 (whose context has no environment, arguments, directories, input or network) and all of
``alga:extension``. What a component imports of ``wasi:http`` and ``wasi:sockets`` is replaced by refusals that name
the interface to use instead. Anything else stays undefined, so that instantiation fails.
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
"""Components loaded at once, however small: each holds a descriptor of its file, of which there are few."""

Refused = frozenset[tuple[str, tuple[tuple[str, bool], ...]]]
"""Interface name → its functions and resources (True) as one component imports them."""


class LinkError(Exception):
    """The component lacks what a call needs; the text is for the publisher."""


class Loaded(NamedTuple):
    """A component ready to be instantiated, with the addresses a call needs and the owners that keep them valid."""

    component_pointer: int
    linker_pointer: int
    export_pointer: int
    is_packed: bool
    size_bytes: int
    owners: tuple[Any, ...]


def refused_imports(engine: Engine, loaded: component.Component) -> Refused:
    """Return what the component imports of the refused packages.

    A resource that another interface defines and this one only uses again is left out: it must not be defined twice.
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
    """One linker for each set of refused imports; most components share one.

    Args:
        engine: the child's engine.
        callbacks: the host function of every import, by ``interface.function``; kept alive by the caller.
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
    """Loaded components by artifact key, least recently used out first, within a budget counted in artifact bytes.

    There are at most ``COMPONENTS_LIMIT`` of them.
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
        """Return the component, loading it from its file when it is not here.

        Raises:
            LinkError: it does not export ``handler``.
            wasmtime.WasmtimeError: the file is no artifact of this engine.
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
        """Return the keys of the components dropped since the last time this was asked."""
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
