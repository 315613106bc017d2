"""Host imports as the engine calls them: lift the arguments, get the result from the session, lower the result."""

import ctypes
from typing import Any, Final, Protocol

from functions.runner.sandbox.child import codec
from functions.runner.sandbox.child.arena import Arena
from functions.runner.sandbox.child.local_imports import Trap
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.shapes import Function
from functions.runner.sandbox.protocol.world import IMPORTS

_FAILED_TEXT: Final = "the platform could not serve a host import"


class Session(Protocol):
    """Answers the host imports of the current call."""

    def host_call(self, name: str, arguments: list[Any]) -> Any:
        """Return the result as a value of the import's type, or raise ``Trap``."""
        ...

    def fault(self, name: str, error: BaseException) -> None:
        """Report that a host import failed because of a fault of the platform."""
        ...


class HostFunction:
    """One host import. Its ``callback`` must stay alive as long as every linker that defines it."""

    def __init__(self, name: str, function: Function, session: Session, arena: Arena) -> None:
        self._name = name
        self._lifts = [codec.lifting(kind) for kind in function.params]
        self._lower = codec.lowering(function.result) if function.result is not None else None
        self._session = session
        self._arena = arena
        self.callback = abi.HOST_CALLBACK(self._invoke)

    def _invoke(
        self, _data: int, _context: int, _type: int, args: int, count: int, results: int, result_count: int
    ) -> int:
        # No exception may pass into the engine.
        try:
            if count != len(self._lifts) or result_count != (self._lower is not None):
                return abi.error(_FAILED_TEXT)
            raw = ctypes.string_at(args, count * codec.VALUE_BYTES) if count else b""
            arguments = [lift(raw, index * codec.VALUE_BYTES) for index, lift in enumerate(self._lifts)]
            value = self._session.host_call(self._name, arguments)
            if self._lower is not None:
                self._answer(self._lower, value, results)
        except Trap as trap:
            return abi.error(str(trap))
        except BaseException as error:  # noqa: BLE001 - see above
            return self._failed(error)
        return 0

    def _failed(self, error: BaseException) -> int:
        try:
            self._session.fault(self._name, error)
        except BaseException:  # noqa: BLE001 - the parent has ended; only the trap can still be reported
            return abi.error(_FAILED_TEXT)
        return abi.error(_FAILED_TEXT)

    def _answer(self, lower: codec.Lower, value: Any, results: int) -> None:
        arena = self._arena
        arena.reset()
        at = arena.take(codec.VALUE_BYTES)
        part, address = arena.buffer, arena.base + at
        lower(value, arena, part, at)
        abi.value_clone(address, results)
        arena.reset()


def host_functions(session: Session) -> dict[str, HostFunction]:
    """Return every host import of the world by ``interface.function``.

    They share one arena, because host imports do not nest.
    """
    arena = Arena()
    return {
        f"{interface}.{name}": HostFunction(f"{interface}.{name}", function, session, arena)
        for interface, functions in IMPORTS.items()
        for name, function in functions.items()
    }
