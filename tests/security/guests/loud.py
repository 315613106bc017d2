"""Guests that flood logs, metrics and host imports."""

from functools import partial
from typing import Final

from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.guests.wat_snippets import data, repeated
from tests.support.wat import guest

_PATIENT: Final = {"timeout_ms": 10_000}
_LINE: Final = data(2100, b"y" * 200)
_LOCAL: Final = "(local $round i32)"
_GET: Final = "(call $storage.get (i32.const 2100) (i32.const 5) (i32.const 2100) (i32.const 5) (i32.const 2048))"


def _storm(count: int, code: str, name: str, *, content: str = _LINE) -> bytes:
    return guest(f"{_LOCAL} {repeated(count, code)} {wat_snippets.OK}", imports=[name], data=content)


def _written(count: int, stream: str, at: int, size: int, content: str) -> bytes:
    """Write ``size`` bytes at ``at`` to a stream ``count`` times."""
    write = f"(call $wasi.write (local.get $stream) (i32.const {at}) (i32.const {size}) (i32.const 2048))"
    code = f"(local $round i32) (local $stream i32) (local.set $stream (call $wasi.{stream})) {repeated(count, write)}"
    return guest(f"{code} {wat_snippets.OK}", wasi=["streams"], data=content)


def _line(text: bytes) -> bytes:
    """Log one line."""
    code = f"(call $logging.log-info (i32.const 2100) (i32.const {len(text)}))"
    return _storm(1, code, "logging.log-info", content=data(2100, text))


_TEXTS: Final = {
    "deeply nested JSON": b"[" * 2_000,
    "a deeply nested JSON object": b'{"a":' * 500,
    "a number that is not one": b"NaN",
    "half a surrogate pair": b'"\\ud800"',
    "a line of the platform": b'{"level":"CRITICAL","service":"registry"}',
}

ATTACKS: Final[dict[str, Attack]] = {
    "a hundred thousand log lines": Attack(
        lambda: _storm(100_000, "(call $logging.log-info (i32.const 2100) (i32.const 200))", "logging.log-info"),
        None,
        call=_PATIENT,
    ),
    **{f"a log line that looks like {kind}": Attack(partial(_line, text), None) for kind, text in _TEXTS.items()},
    "a hundred thousand metrics": Attack(
        lambda: _storm(
            100_000,
            """(call $metrics.emit (i32.const 2100) (i32.const 9) (f64.const 1) (i32.const 2100) (i32.const 9)
                 (i32.const 0) (i32.const 0))""",
            "metrics.emit",
        ),
        None,
        call=_PATIENT,
    ),
    "metrics that are no numbers": Attack(
        lambda: _storm(
            50,
            """(call $metrics.emit (i32.const 2100) (i32.const 9) (f64.const nan) (i32.const 2100) (i32.const 9)
                 (i32.const 0) (i32.const 0))""",
            "metrics.emit",
        ),
        None,
    ),
    "ten thousand questions about its configuration": Attack(
        lambda: _storm(
            10_000,
            "(call $config.get (i32.const 2100) (i32.const 1) (i32.const 2048))",
            "config.get",
            content=data(2100, "a"),
        ),
        None,
        call={**_PATIENT, "config": {"a": "b" * 1_000}},
    ),
    "a storm of storage calls": Attack(
        lambda: _storm(2_000, _GET, "storage.get", content=data(2100, "notes")), "guest_trapped", call=_PATIENT
    ),
    "a storm of secret calls": Attack(
        lambda: _storm(2_000, "(call $secrets.list-keys (i32.const 2048))", "secrets.list-keys"),
        "guest_trapped",
        call=_PATIENT,
    ),
    "a storm of refused calls": Attack(
        lambda: _storm(20_000, _GET, "storage.get", content=data(2100, "notes")),
        None,
        call={**_PATIENT, "providers": ("cap:log.emit",)},
    ),
    "one log line of sixteen megabytes": Attack(
        lambda: guest(
            f"""(call $logging.log-error (call $alloc (i32.const 16000000)) (i32.const 16000000)) {wat_snippets.OK}""",
            imports=["logging.log-error"],
        ),
        None,
        call=_PATIENT,
    ),
    "a log line that forges another": Attack(
        lambda: guest(
            f"(call $logging.log-info (i32.const 2100) (i32.const 60)) {wat_snippets.OK}",
            imports=["logging.log-info"],
            data=data(2100, 'x"}\n{"level":"ERROR","tenant_id":"globex","message":"forged"}'),
        ),
        None,
    ),
    "a flood of lines on stderr": Attack(
        lambda: _written(2_000, "stderr", 4096, 4_000, data(4096, b"z\n" * 2_000)), None, call=_PATIENT
    ),
    "a flood on stdout without a line's end": Attack(
        lambda: _written(3_000, "stdout", 4096, 4_000, data(4096, b"z" * 4_000)), None, call=_PATIENT
    ),
    "binary on stdout": Attack(
        lambda: _written(500, "stdout", 4096, 4_096, data(4096, bytes(range(256)) * 16)), None, call=_PATIENT
    ),
    "a million empty lines": Attack(
        lambda: _written(250, "stderr", 4096, 4_096, data(4096, b"\n" * 4_096)), None, call=_PATIENT
    ),
}
