"""Build the HTTP response of a call, which must fit into a Lambda payload (pure)."""

from typing import Any

import msgspec

from alga_ext.calls import log_lines
from alga_ext.calls.envelope import ExecuteResponse, encode
from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES, oversize, response
from functions.runner import outcome


def http_answer(answer: ExecuteResponse, request_id: str) -> dict[str, Any]:
    """Return a call's response as API Gateway's payload format 2.0 has it.

    When it does not fit into a Lambda payload, log lines are dropped first. An answer that does not fit without them is
    replaced by its error, which has the lines.
    """
    headers = {"content-type": "application/json", "cache-control": "no-store", "x-request-id": request_id}
    made = response(200, headers, encode(answer))
    size = oversize(made)
    if size is None:
        return made
    if answer.logs_b64z:
        room = max(0, len(answer.logs_b64z) - (size - PAYLOAD_LIMIT_BYTES))
        logs = log_lines.pack(log_lines.unpack(answer.logs_b64z), room)
        made = response(200, headers, encode(msgspec.structs.replace(answer, logs_b64z=logs)))
        size = oversize(made)
        if size is None:
            return made
    return response(200, headers, encode(outcome.too_large(answer, size, PAYLOAD_LIMIT_BYTES)))
