"""The messages between the parent and a sandbox child (pure).

At the start the parent sends ``Configure`` and the child answers ``Ready``. For each call the parent sends ``Run`` or
``Warm``. The child then sends any number of ``LogLine``, ``Unfinished``, ``Metric``, ``Refused`` and ``HostCall``
(after each ``HostCall`` it waits for one ``HostAnswer``), and finally exactly one ``Done`` or ``Failed``.
"""

from typing import Any, Final

import msgspec

OVERDUE_EXIT_STATUS: Final = 70
"""The exit status of a child that ended itself because a call continued long after its deadline (``ticker``)."""

Pair = tuple[str, str]


class Configure(msgspec.Struct, array_like=True, tag=0):
    """Parent to child, the first message, once: resource limits and readable folders.

    The child confines itself and answers ``Ready``.
    """

    data_limit_bytes: int
    read_only_paths: list[str]


class Program(msgspec.Struct, array_like=True, frozen=True):
    """A verified compiled program (cwasm): its key, which is the hash of its content, its path, and its size."""

    key: str
    path: str
    size_bytes: int


class RunLimits(msgspec.Struct, array_like=True):
    """Limits of one call. The deadline is in CLOCK_MONOTONIC, which is the same for all processes of a machine."""

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
    """Parent to child: run one call. ``context`` is the WIT record ``context-data`` in field order.

    The child loads the program with its first ``Run`` or ``Warm``. All later ones must name the same program.
    """

    artifact: Program
    context: tuple[str | None, str, str, str | None, str | None]
    request: GuestRequest
    providers: list[str]
    config: dict[str, str]
    user: GuestUser | None
    limits: RunLimits


class Warm(msgspec.Struct, array_like=True, tag=2):
    """Parent to child: load a component and instantiate it once without calling it."""

    artifact: Program
    limits: RunLimits


class HostAnswer(msgspec.Struct, array_like=True, tag=3):
    """Parent to child: the result of a host import as a value of its type, or a text with which to trap the guest."""

    value: Any = None
    trap: str | None = None


class Ready(msgspec.Struct, array_like=True, tag=4):
    """Child to parent, once: the confinement steps that were applied, and those that were not, each with the reason."""

    applied: list[str]
    missing: list[str]


class HostCall(msgspec.Struct, array_like=True, tag=5):
    """Child to parent: a call of a host import (``interface.function``) with its arguments."""

    name: str
    arguments: msgspec.Raw


class LogLine(msgspec.Struct, array_like=True, tag=6):
    """Child to parent: one line for the invocation's log."""

    level: str
    source: str
    text: str


class Unfinished(LogLine, array_like=True, tag=11):
    """Child to parent: what was written so far of a line that a ``LogLine`` of the same stream will complete."""


class Metric(msgspec.Struct, array_like=True, tag=7):
    """Child to parent: one metric of the extension."""

    name: str
    value: float
    unit: str
    dimensions: list[Pair]


class Figures(msgspec.Struct, array_like=True):
    """What a call used, as measured by the child.

    ``fuel`` is None when it was not read. ``host_calls`` counts the host imports that the child served or passed on.
    """

    cpu_ns: int = 0
    memory_peak_bytes: int = 0
    fuel: int | None = None
    process_cpu_ns: int = 0
    host_calls: dict[str, int] = {}


class Done(msgspec.Struct, array_like=True, tag=8):
    """Child to parent: the guest's response, which is not checked yet."""

    status: int
    headers: list[Pair]
    body: bytes | None
    figures: Figures


class Failed(msgspec.Struct, array_like=True, tag=9):
    """Child to parent: why there is no response. ``code`` is an error code of the execute envelope.

    ``message`` is for the caller. ``cause`` is for the operator's log only: the engine's text, which may contain paths
    of this machine.
    """

    code: str
    message: str
    figures: Figures
    cause: str = ""


class Refused(msgspec.Struct, array_like=True, tag=10):
    """Child to parent: the child refused a host import, because the call does not have its capability."""

    name: str


ToChild = Configure | Run | Warm | HostAnswer
FromChild = Ready | HostCall | LogLine | Unfinished | Metric | Refused | Done | Failed

TO_CHILD: Final = msgspec.msgpack.Decoder(ToChild)
FROM_CHILD: Final = msgspec.msgpack.Decoder(FromChild)
