"""The console of `alga-ext dev`: each call when it is recorded, then its log lines."""

from datetime import datetime

from alga_ext.calls.log_lines import CallLog, unpack
from alga_ext.calls.messages import ExecutionFinished, decode_message
from tools.cli.call_texts import Call, Line, details, heading
from tools.cli.output import answer
from topology.queues import EXECUTIONS


def show_message(queue: str, body: str) -> None:
    """Show a completed message of the queue ``executions`` if it is the record of a finished call."""
    if queue != EXECUTIONS.name:
        return
    message = decode_message(body)
    if isinstance(message, ExecutionFinished):
        for text in texts_of(message):
            answer(text)


def texts_of(message: ExecutionFinished) -> list[str]:
    """Return the lines that show a finished call."""
    at = datetime.fromisoformat(message.accepted_at)
    call = Call(at, message.method, message.path, message.status, message.usage.duration_ms, message.error_code)
    try:
        log = unpack(message.logs_b64z) if message.logs_b64z else CallLog()
    except ValueError:  # the recorder's log says so
        log = CallLog()
    for name in message.lost_headers:
        log = log.with_line("warn", f"header {name} of the answer was dropped because of its value")
    lines = [Line(line.at_ms, line.level, line.source, line.text) for line in (*log.first, *log.last)]
    refusal = message.last_refusal.reason if message.last_refusal is not None and message.error_code else None
    return [
        heading(call),
        *details(
            lines,
            log.dropped,
            len(log.first),
            dropped_for=log.dropped_for,
            error=message.guest_error,
            stack=message.guest_stack,
            refusal=refusal,
        ),
    ]
