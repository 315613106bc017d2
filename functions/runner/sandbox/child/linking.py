"""Load a component, and bind their imports inside the child.

The linker defines WASI 0.2 (its context has no environment, arguments, directories, input or network) and all of
``alga:extension``. Imports from ``wasi:http`` and ``wasi:sockets`` are replaced by functions that trap with a message
about the interface to use instead. Any other import stays undefined, so that instantiation fails.
"""

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

Refused = frozenset[tuple[str, tuple[tuple[str, bool], ...]]]
"""The refused imports of one component: interface name → names of its functions (False) and resources (True)."""


class LinkError(Exception):
    """The component does not export what a call needs. The text is for the publisher."""


class Loaded(NamedTuple):
    """A component ready to be instantiated: the addresses a call needs, and the objects that keep them valid."""

    key: str
    component_pointer: int
    linker_pointer: int
    export_pointer: int
    is_packed: bool
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


class Linker:
    """A linker with everything that the platform offers. ``refuse`` adds what one component may not use.

    Args:
        engine: the child's engine.
        callbacks: the callback of every host import, by ``interface.function``. The caller must keep them alive.
    """

    def __init__(self, engine: Engine, callbacks: dict[str, Any]) -> None:
        self._linker = component.Linker(engine)
        self._refusals: list[Any] = []
        self._linker.add_wasip2()
        self._linker.allow_shadowing = True
        with self._linker.root() as root:
            for interface, functions in IMPORTS.items():
                with root.add_instance(PACKAGE + interface) as instance:
                    for function in functions:
                        _add(instance, function, callbacks[f"{interface}.{function}"])
            with root.add_instance(PACKAGE + "types"):
                pass

    @property
    def pointer(self) -> int:
        """The linker's address, valid as long as this object."""
        return abi.pointer_of(self._linker)

    def refuse(self, refused: Refused) -> None:
        """Replace these imports by functions that trap with a message about the interface to use instead."""
        with self._linker.root() as root:
            for interface, members in refused:
                text = f"{interface.partition('@')[0]} {REFUSAL_TEXT}"
                callback = abi.HOST_CALLBACK(lambda *_, text=text: abi.error(text))
                self._refusals.append(callback)
                with root.add_instance(interface) as instance:
                    _refuse(instance, members, callback)


def _refuse(instance: component.LinkerInstance, members: Iterable[tuple[str, bool]], callback: Any) -> None:
    for number, (name, is_resource) in enumerate(members):
        if is_resource:
            kind = component.ResourceType.host(1_000 + number)
            instance.add_resource(name, kind, lambda _store, _rep: None)
        else:
            _add(instance, name, callback)


def _add(instance: component.LinkerInstance, name: str, callback: Any) -> None:
    data = name.encode()
    abi.check(abi.linker_add_function(abi.pointer_of(instance), data, len(data), callback, None, abi.NO_FINALIZER))


def load(engine: Engine, linker: Linker, artifact: Program) -> Loaded:
    """Load a component from its file, and refuse in the linker what it may not import.

    Raises:
        LinkError: the component does not export ``handler``.
        wasmtime.WasmtimeError: the file is not an artifact of this engine.
    """
    program = component.Component.deserialize_file(engine, artifact.path)
    packed = program.get_export_index(PACKED_EXPORT_NAME)
    export = packed or program.get_export_index(EXPORT_NAME)
    if export is None:
        message = f"the component does not export {EXPORT_NAME!r}"
        raise LinkError(message)
    linker.refuse(refused_imports(engine, program))
    return Loaded(
        artifact.key,
        abi.pointer_of(program),
        linker.pointer,
        abi.pointer_of(export),
        packed is not None,
        (program, linker, export),
    )
