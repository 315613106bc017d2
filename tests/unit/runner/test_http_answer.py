"""An answer that does not fit into a Lambda payload loses its log lines before anything else."""

import json
import random
from typing import Any

from alga_ext.calls.envelope import ExecuteResponse, decode_response
from alga_ext.calls.log_lines import CallLog, KeptLine, pack, unpack
from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES
from functions.runner.http_answer import http_answer
from tests.support.bodies import body_of_answer

NOISE = random.Random(1)
LOG = CallLog(first=[KeptLine(at, "info", "guest", f"{NOISE.getrandbits(4_000):x}") for at in range(150)])
LOGS = pack(LOG)
EMPTY_BYTES = (
    len(json.dumps(http_answer(ExecuteResponse(status=200, body_b64="", trace_id="t", logs_b64z="a"), "r"))) - 1
)


def answered(body_chars: int) -> tuple[dict[str, Any], ExecuteResponse]:
    """Answer with a body of so many characters; return the response and what is in it."""
    made = http_answer(ExecuteResponse(status=200, body_b64="a" * body_chars, trace_id="t", logs_b64z=LOGS), "r")
    assert len(json.dumps(made)) <= PAYLOAD_LIMIT_BYTES
    return made, decode_response(body_of_answer(made))


def test_an_answer_that_fits_has_all_its_lines() -> None:
    _, answer = answered(PAYLOAD_LIMIT_BYTES - EMPTY_BYTES - len(LOGS))
    assert (answer.error, unpack(answer.logs_b64z)) == (None, LOG)


def test_lines_that_do_not_fit_beside_the_answer_are_dropped_and_counted() -> None:
    _, answer = answered(PAYLOAD_LIMIT_BYTES - EMPTY_BYTES - len(LOGS) // 2)
    assert answer.error is None
    kept = unpack(answer.logs_b64z)
    assert 0 < kept.count < 150
    assert kept.count + kept.dropped == 150


def test_an_answer_that_leaves_no_room_for_lines_is_sent_without_them() -> None:
    _, answer = answered(PAYLOAD_LIMIT_BYTES - EMPTY_BYTES - 10)
    assert (answer.error, answer.logs_b64z) == (None, "")


def test_the_error_of_an_answer_that_is_too_large_has_the_lines() -> None:
    _, answer = answered(PAYLOAD_LIMIT_BYTES)
    assert answer.error is not None
    assert (answer.error.code, unpack(answer.logs_b64z)) == ("response_too_large", LOG)
