"""The evaluation worker's main: evaluate what publishers wrote, one request after the other.

``evaluator`` starts it as a clean interpreter without environment. It holds no credentials and no connection but the
one to its parent, limits its own resources before it reads a request, and ends when the parent closes the connection.
"""

import gzip
import json
import resource
import socket
import sys
from typing import Final

import brotli

from alga_ext.errors import PlatformError
from functions.registry.evaluation.messages import (
    REQUESTS,
    Answer,
    CheckConfig,
    CheckSchema,
    Compressed,
    Ready,
    Request,
    Verdict,
    receive,
    send,
)
from functions.registry.schemas.config_schema import check_schema, first_fault

_DATA_BYTES: Final = 512 * 1024 * 1024
_DESCRIPTORS: Final = 32
_CPU_S: Final = 20
"""CPU time of one request. The parent's wall-clock limit is shorter; this one also holds when the parent has died."""


def main() -> None:
    """Serve requests until the connection ends. The last argument is the connection's descriptor."""
    connection = socket.socket(fileno=int(sys.argv[-1]))
    for kind, limit in (
        (resource.RLIMIT_DATA, _DATA_BYTES),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (value, value))
    send(connection, Ready())
    while True:
        try:
            payload = receive(connection)
        except EOFError:
            return
        _limit_cpu_time()
        send(connection, answer(REQUESTS.decode(payload)))


def answer(request: Request) -> Answer:
    """Answer one request."""
    if isinstance(request, CheckSchema):
        try:
            check_schema(json.loads(request.schema))
        except PlatformError as error:
            return Verdict(error.detail)
        except RecursionError:
            return Verdict("manifest.json: config: it is nested too deeply.")
        return Verdict(None)
    if isinstance(request, CheckConfig):
        try:
            return Verdict(first_fault(json.loads(request.schema), json.loads(request.config)))
        except RecursionError:
            return Verdict("at config: it is nested too deeply")
    return Compressed(
        brotli.compress(request.data, quality=request.brotli_quality),
        gzip.compress(request.data, compresslevel=request.gzip_level, mtime=0),
    )


def _limit_cpu_time() -> None:
    """Let the kernel end this process when it uses more than ``_CPU_S`` seconds of CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + 1 + _CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
