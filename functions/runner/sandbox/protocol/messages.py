"""The messages between the parent and a sandbox child. Pure.

The exchange alternates: the parent sends ``Run`` or ``Warm``; the child answers any number of ``LogLine``, ``Metric``
and ``HostCall`` (each ``HostCall`` waits for one ``HostAnswer``) and then exactly one ``Done`` or ``Failed``.
"""

from typing import Any, Final

import msgspec

OVERDUE_EXIT_STATUS: Final = 70
"""How a child exits that ended itself because its call went on long past its deadline (``ticker``)."""

Pair = tuple[str, str]


class Configure(msgspec.Struct, array_like=True, tag=0):
    """Parent to child, once, first: resource limits and the cache budget. The child confines itself and says Ready."""

    data_limit_bytes: int
    component_budget_bytes: int
    read_only_paths: list[str]


class Program(msgspec.Struct, array_like=True, frozen=True):
    """A verified cwasm: its key (which names its content), where it lies, and its size."""

    key: str
    path: str
    size_bytes: int


class RunLimits(msgspec.Struct, array_like=True):
    """Limits of one call; the deadline is of CLOCK_MONOTONIC, which all processes of a machine share."""

    deadline_ns: int
    memory_bytes: int
    fuel: int
    response_bytes: int


class GuestRequest(msgspec.Struct, array_like=True):
    """The guest's ``http-request``."""

    method: str
    url: str
    headers: list[Pair]
    body: bytes | None


class GuestUser(msgspec.Struct, array_like=True):
    """The guest's ``user-data-v2``."""

    tenant_id: str
    client_name: str
    user_id: str
    user_email: str
    user_name: str
    user_type: str
    client_id: str | None
    additional_fields: list[Pair]


class Run(msgspec.Struct, array_like=True, tag=1):
    """Parent to child: one call. ``context`` is ``context-data`` in field order."""

    artifact: Program
    context: tuple[str | None, str, str, str | None, str | None]
    request: GuestRequest
    providers: list[str]
    config: dict[str, str]
    user: GuestUser | None
    limits: RunLimits


class Warm(msgspec.Struct, array_like=True, tag=2):
    """Parent to child: load a component and instantiate it once, without calling it."""

    artifact: Program
    limits: RunLimits


class HostAnswer(msgspec.Struct, array_like=True, tag=3):
    """Parent to child: a host import's result as a value of its type, or a reason to trap the guest."""

    value: Any = None
    trap: str | None = None


class Ready(msgspec.Struct, array_like=True, tag=4):
    """Child to parent, once: what confines it, and what could not be applied and why."""

    applied: list[str]
    missing: list[str]


class HostCall(msgspec.Struct, array_like=True, tag=5):
    """Child to parent: a host import (``interface.function``) with its arguments."""

    name: str
    arguments: msgspec.Raw


class LogLine(msgspec.Struct, array_like=True, tag=6):
    """Child to parent: one line for the log of the invocation."""

    level: str
    source: str
    text: str


class Metric(msgspec.Struct, array_like=True, tag=7):
    """Child to parent: one number of the extension's own."""

    name: str
    value: float
    unit: str
    dimensions: list[Pair]


class Figures(msgspec.Struct, array_like=True):
    """What a call used, as the child measured it.

    ``fuel`` is None when it was not read. ``host_calls`` counts the imports as the child saw them; ``loads`` counts
    components loaded since the child began; ``evicted`` names those it has dropped since its last message.
    """

    cpu_ns: int = 0
    memory_peak_bytes: int = 0
    fuel: int | None = None
    process_cpu_ns: int = 0
    loads: int = 0
    host_calls: dict[str, int] = {}
    evicted: list[str] = []


class Done(msgspec.Struct, array_like=True, tag=8):
    """Child to parent: the guest's response, not yet checked."""

    status: int
    headers: list[Pair]
    body: bytes | None
    figures: Figures


class Failed(msgspec.Struct, array_like=True, tag=9):
    """Child to parent: why there is no response; ``code`` is one of the execute envelope's.

    ``message`` is for the caller, ``cause`` for the operator's log: the engine's words, which name files of the host.
    """

    code: str
    message: str
    figures: Figures
    cause: str = ""


ToChild = Configure | Run | Warm | HostAnswer
FromChild = Ready | HostCall | LogLine | Metric | Done | Failed

TO_CHILD: Final = msgspec.msgpack.Decoder(ToChild)
FROM_CHILD: Final = msgspec.msgpack.Decoder(FromChild)
