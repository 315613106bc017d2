"""Guests that reach for what the platform does not give: WASI's world, and capabilities they were not granted."""

from typing import Final

from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.guests.wat_snippets import data
from tests.support.wat import guest

_ONLY_THE_FOUR: Final = ("cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit")
_LISTED: Final = "(call $respond (i32.const 200) (i32.const 512) (call $digits (i32.load (i32.const 2052))))"


def _linked(code: str, declaration: str, function: str, signature: str, options: str = "") -> bytes:
    """Return a guest that calls one function of an instance ``$it`` as ``$call``."""
    return wat_snippets.linked(
        code, declaration, {"call": (f'(canon lower (func $it "{function}") {options})', signature)}
    )


_MEMORY: Final = "(memory $memory) (realloc $realloc)"
_STDIN: Final = """
  (import "wasi:io/error@0.2.3" (instance $ioerror (export "error" (type (sub resource)))))
  (alias export $ioerror "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "input-stream" (type $in (sub resource)))
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $stream-error' (eq $outer-error)))
    (type $stream-error (variant (case "last-operation-failed" (own $stream-error')) (case "closed")))
    (export "stream-error" (type $stream-error2 (eq $stream-error)))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $in)) (param "len" u64) (result (result (list u8) (error $stream-error2)))))))
  (alias export $streams "input-stream" (type $input-stream))
  (import "wasi:cli/stdin@0.2.3" (instance $stdin
    (alias outer 1 $input-stream (type $outer-in))
    (export "input-stream" (type $stdin-in (eq $outer-in)))
    (export "get-stdin" (func (result (own $stdin-in))))))"""
_TERMINAL: Final = """
  (import "wasi:cli/terminal-output@0.2.3" (instance $output (export "terminal-output" (type (sub resource)))))
  (alias export $output "terminal-output" (type $terminal-output))
  (import "wasi:cli/terminal-stdout@0.2.3" (instance $it
    (alias outer 1 $terminal-output (type $outer))
    (export "terminal-output" (type $t (eq $outer)))
    (export "get-terminal-stdout" (func (result (option (own $t)))))))"""
_TCP: Final = """
  (import "wasi:sockets/network@0.2.3" (instance $network
    (type $c (enum "unknown" "access-denied")) (export "error-code" (type $code (eq $c)))
    (type $f (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $f)))))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/tcp@0.2.3" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.3" (instance $it
    (alias outer 1 $socket (type $outer-socket)) (export "tcp-socket" (type $s (eq $outer-socket)))
    (alias outer 1 $family (type $outer-family)) (export "ip-address-family" (type $g (eq $outer-family)))
    (export "create-tcp-socket" (func (param "address-family" $g) (result (own $s))))))"""
_OUTGOING: Final = """
  (import "wasi:http/types@0.2.3" (instance $kinds (export "outgoing-request" (type (sub resource)))
    (export "future-incoming-response" (type (sub resource)))))
  (alias export $kinds "outgoing-request" (type $request))
  (alias export $kinds "future-incoming-response" (type $future))
  (import "wasi:http/outgoing-handler@0.2.3" (instance $it
    (alias outer 1 $request (type $outer-request)) (export "outgoing-request" (type $r (eq $outer-request)))
    (alias outer 1 $future (type $outer-future)) (export "future-incoming-response" (type $p (eq $outer-future)))
    (export "handle" (func (param "request" (own $r)) (result (own $p))))))"""

ATTACKS: Final[dict[str, Attack]] = {
    "leaving with success": Attack(
        lambda: guest("(call $wasi.exit (i32.const 0)) (unreachable)", wasi=["exit"]), "guest_trapped"
    ),
    "leaving with failure": Attack(
        lambda: guest("(call $wasi.exit (i32.const 1)) (unreachable)", wasi=["exit"]), "guest_trapped"
    ),
    "leaving while it is instantiated": Attack(
        lambda: guest(
            wat_snippets.OK,
            imports=["config.list-keys"],
            wasi=["exit"],
            extra=wat_snippets.at_start("(call $wasi.exit (i32.const 0))"),
        ),
        "guest_trapped",
        call={"config": {"armed": "yes"}},
    ),
    "reading the environment": Attack(
        lambda: guest(f"(call $wasi.environment (i32.const 2048)) {_LISTED}", wasi=["environment"]), None, body=b"0"
    ),
    "reading the arguments": Attack(
        lambda: guest(f"(call $wasi.arguments (i32.const 2048)) {_LISTED}", wasi=["environment"]), None, body=b"0"
    ),
    "looking for directories": Attack(
        lambda: guest(f"(call $wasi.directories (i32.const 2048)) {_LISTED}", wasi=["preopens"]), None, body=b"0"
    ),
    "reading from stdin": Attack(
        lambda: wat_snippets.linked(
            f"""(call $read (call $stdin) (i64.const 100) (i32.const 2048))
                (if (i32.eqz (i32.load8_u (i32.const 2048))) (then (unreachable))) {wat_snippets.OK}""",
            _STDIN,
            {
                "stdin": ('(canon lower (func $stdin "get-stdin"))', "(result i32)"),
                "read": (
                    f'(canon lower (func $streams "[method]input-stream.blocking-read") {_MEMORY})',
                    "(param i32 i64 i32)",
                ),
            },
        ),
        None,
    ),
    "looking for a terminal": Attack(
        lambda: _linked(
            f"(call $call (i32.const 2048)) (if (i32.load8_u (i32.const 2048)) (then (unreachable))) {wat_snippets.OK}",
            _TERMINAL,
            "get-terminal-stdout",
            "(param i32)",
            _MEMORY,
        ),
        None,
    ),
    "a request by wasi:http": Attack(lambda: guest("(call $wasi.fields)", wasi=["outgoing-http"]), "guest_trapped"),
    "a request by wasi:http's handler": Attack(
        lambda: _linked("(call $call (i32.const 0))", _OUTGOING, "handle", "(param i32) (result i32)"), "guest_trapped"
    ),
    "the network of wasi:sockets": Attack(lambda: guest("(call $wasi.network)", wasi=["sockets"]), "guest_trapped"),
    "a socket of wasi:sockets": Attack(
        lambda: _linked("(call $call (i32.const 0))", _TCP, "create-tcp-socket", "(param i32) (result i32)"),
        "guest_trapped",
    ),
    "its context without the capability": Attack(
        lambda: guest("(call $context.get-context (i32.const 2048)) (unreachable)", imports=["context.get-context"]),
        "guest_trapped",
        call={"providers": ("cap:log.emit",)},
    ),
    "storage without the capability": Attack(
        wat_snippets.keeper,
        None,
        status=481 + 1,
        call={"headers": {"a": "notes", "b": "own"}, "providers": _ONLY_THE_FOUR},
    ),
    "a request without the capability": Attack(
        wat_snippets.fetcher,
        None,
        status=481,
        call={"body": b"https://api.example.com/", "providers": _ONLY_THE_FOUR},
    ),
    "a secret without the capability": Attack(
        wat_snippets.reader, None, status=481, call={"body": b"token", "providers": _ONLY_THE_FOUR}
    ),
    "a route of the host application without the capability": Attack(
        lambda: guest(
            """(call $ui-proxy.call-route (i32.const 2100) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0)
                 (i32.const 2048))
               (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0))""",
            imports=["ui-proxy.call-route"],
            data=data(2100, "/api"),
        ),
        None,
        status=481,
        call={"providers": _ONLY_THE_FOUR},
    ),
    "the host application's clients, though granted": Attack(
        lambda: guest(
            """(call $clients.get-client (i32.const 2100) (i32.const 4) (i32.const 2048))
               (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0))""",
            imports=["clients.get-client"],
            data=data(2100, "x"),
        ),
        None,
        status=480,
    ),
    "what an earlier call left in memory": Attack(
        lambda: guest(
            """(local $at i32)
               (local.set $at (call $alloc (i32.const 60000000)))
               (loop $on
                 (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
                 (local.set $at (i32.add (local.get $at) (i32.const 8)))
                 (br_if $on (i32.lt_u (local.get $at) (i32.const 60000000))))"""
            + wat_snippets.OK
        ),
        None,
    ),
}
