"""The evaluation worker's main: evaluate what publishers wrote, one request after the other.

``evaluator`` starts it as a clean interpreter without environment. It holds no credentials and no connection but the
one to its parent, confines itself before it reads a request, and ends when the parent closes the connection. If it
cannot be confined, it reads nothing and exits with ``NOT_CONFINED_EXIT_STATUS``.
"""

import gzip
import json
import sys
from io import FileIO
from typing import Any, Final

import brotli

from alga_ext.confinement.confine import confine_and_seal
from alga_ext.errors import PlatformError
from functions.registry.evaluation.messages import (
    REQUESTS,
    Answer,
    CheckConfig,
    CheckData,
    CheckSchema,
    Compress,
    Compressed,
    Ready,
    Request,
    Verdict,
    Verdicts,
    read,
    write,
)
from functions.registry.schemas.config_schema import check_schema, first_fault

_DATA_BYTES: Final = 512 * 1024 * 1024
_FIRST_USES: Final[tuple[Request, ...]] = (
    CheckSchema(b'{"properties": {"a": {"type": "objekt"}}}'),
    CheckConfig(
        b'{"properties": {"a": {"pattern": "^a$", "format": "date-time", "$ref": "#/$defs/b"}}, "$defs": {"b": {}}}',
        b'{"a": "b"}',
    ),
    Compress(b"a", 9, 6),
)


def main() -> None:
    """Serve requests until the connection ends. The last argument is the connection's descriptor."""
    connection = FileIO(int(sys.argv[-1]), "r+")
    # A library may import a part of itself, or read one of its files, when it is used first. Later it cannot.
    for request in _FIRST_USES:
        answer(request)
    confine_and_seal(_DATA_BYTES)
    write(connection, Ready())
    while True:
        try:
            payload = read(connection)
        except EOFError:
            return
        write(connection, answer(REQUESTS.decode(payload)))


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
    if isinstance(request, CheckData):
        schemas = [json.loads(schema) for schema in request.schemas]
        return Verdicts([_fault_of_data(schemas[place], data) for place, data in request.data])
    return Compressed(
        brotli.compress(request.data, quality=request.brotli_quality),
        gzip.compress(request.data, compresslevel=request.gzip_level, mtime=0),
    )


def _fault_of_data(schema: Any, data: bytes) -> str | None:
    try:
        return first_fault(schema, json.loads(data), "data")
    except RecursionError:
        return "at data: it is nested too deeply"
