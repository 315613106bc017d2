"""Check a component's types against the WIT world ``runner``. Each mismatch is a sentence for its author."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from wasmtime import Engine, component
from wasmtime.component import _types as given

from functions.runner.sandbox.protocol.shapes import (
    Enum,
    Function,
    ListOf,
    Option,
    Primitive,
    Record,
    Result,
    TupleOf,
    Type,
    Variant,
)
from functions.runner.sandbox.protocol.world import (
    EXPORT,
    EXPORT_NAME,
    IMPORTS,
    PACKAGE,
    PACKED_EXPORT,
    PACKED_EXPORT_NAME,
    TYPES_INTERFACE,
)

_WASI = re.compile(r"wasi:(cli|clocks|filesystem|http|io|random|sockets)/[a-z0-9-]+@0\.2\.\d+\Z")

_PRIMITIVES: Final[dict[str, type]] = {
    "bool": given.Bool,
    "u8": given.U8,
    "u16": given.U16,
    "u32": given.U32,
    "u64": given.U64,
    "f64": given.F64,
    "string": given.String,
}


def import_names(engine: Engine, program: component.Component) -> list[str]:
    """Return the names of the interfaces that the component imports, sorted, without types imported by name."""
    imports = program.type.imports(engine).items()
    return sorted(name for name, extern in imports if isinstance(extern.ty, component.ComponentInstanceType))


def export_names(engine: Engine, program: component.Component) -> list[str]:
    """Return the names of the component's exports, sorted, without the export of the platform's adapter."""
    return sorted(name for name in program.type.exports(engine) if name != PACKED_EXPORT_NAME)


def misfits(engine: Engine, program: component.Component) -> list[str]:
    """Return the reasons why the component does not match the world. Empty when it does."""
    return [*_import_misfits(engine, program), *_export_misfits(engine, program)]


def _import_misfits(engine: Engine, program: component.Component) -> Iterator[str]:
    for name, extern in program.type.imports(engine).items():
        kind = extern.ty
        if isinstance(kind, component.ComponentInstanceType):
            yield from _interface_misfits(engine, name, kind)
        elif isinstance(kind, (component.FuncType, component.ComponentType, component.ModuleType)):
            yield f"The component imports {name!r}, which is not part of the world; only interfaces can be imported."


def _interface_misfits(engine: Engine, name: str, instance: component.ComponentInstanceType) -> Iterator[str]:
    if _WASI.match(name):
        return
    functions = {n: e.ty for n, e in instance.exports(engine).items() if isinstance(e.ty, component.FuncType)}
    if name == TYPES_INTERFACE:
        declared: dict[str, Function] = {}
    elif name.startswith(PACKAGE) and name.removeprefix(PACKAGE) in IMPORTS:
        declared = IMPORTS[name.removeprefix(PACKAGE)]
    else:
        yield f"The component imports {name!r}, which the platform does not offer."
        return
    for function, kind in functions.items():
        if function not in declared:
            yield f"The component imports {name}.{function}, which the platform does not offer."
        elif not _function_fits(kind, declared[function]):
            yield f"The component imports {name}.{function} with a wrong type; build it with the platform's WIT."


def _export_misfits(engine: Engine, program: component.Component) -> Iterator[str]:
    extern = program.type.exports(engine).get(EXPORT_NAME)
    if extern is None:
        yield f"The component does not export the function {EXPORT_NAME!r}."
    elif not isinstance(extern.ty, component.FuncType) or not _function_fits(extern.ty, EXPORT):
        yield f"The component exports {EXPORT_NAME!r} with a wrong type; build it with the platform's WIT."
    packed = program.type.exports(engine).get(PACKED_EXPORT_NAME)
    if packed is not None and not (
        isinstance(packed.ty, component.FuncType) and _function_fits(packed.ty, PACKED_EXPORT)
    ):
        yield f"The component exports {PACKED_EXPORT_NAME!r} with a wrong type; remove it, the name is reserved."


def _function_fits(found: component.FuncType, wanted: Function) -> bool:
    params, result = found.params, found.result
    if len(params) != len(wanted.params) or (result is None) != (wanted.result is None):
        return False
    if result is not None and wanted.result is not None and not fits(result, wanted.result):
        return False
    return all(fits(kind, want) for (_, kind), want in zip(params, wanted.params, strict=True))


def fits(found: Any, wanted: Type) -> bool:
    """Tell whether a component's value type equals the type in the WIT world."""
    match wanted:
        case Primitive(name):
            return isinstance(found, _PRIMITIVES[name])
        case ListOf(element):
            return isinstance(found, given.ListType) and fits(found.element, element)
        case Option(payload):
            return isinstance(found, given.OptionType) and fits(found.payload, payload)
        case Result(ok, err):
            return isinstance(found, given.ResultType) and _both(found.ok, ok) and _both(found.err, err)
        case Record(fields):
            return isinstance(found, given.RecordType) and _named(found.fields, fields, fits)
        case TupleOf(elements):
            return (
                isinstance(found, given.TupleType)
                and len(found.elements) == len(elements)
                and all(map(fits, found.elements, elements))
            )
        case Enum(cases):
            return isinstance(found, given.EnumType) and tuple(found.names) == cases
        case Variant(cases):
            return isinstance(found, given.VariantType) and _named(found.cases, cases, _both)


def _both(found: Any, wanted: Type | None) -> bool:
    if found is None or wanted is None:
        return found is None and wanted is None
    return fits(found, wanted)


def _named(found: Any, wanted: Any, fitting: Callable[[Any, Any], bool]) -> bool:
    return len(found) == len(wanted) and all(
        name == want_name and fitting(kind, want) for (name, kind), (want_name, want) in zip(found, wanted, strict=True)
    )
