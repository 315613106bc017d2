"""A guest that does what its path and body say, for the conformance tests of the runner."""

import base64
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import host
import values
from wit_world.imports.types import ExecuteRequest, ExecuteResponse, HttpHeader

calls = 0


class Call:
    """A request with its query taken apart."""

    def __init__(self, raw: ExecuteRequest) -> None:
        self.raw = raw
        self.path, _, query = raw.http.url.partition("?")
        self.query = {name: found[0] for name, found in parse_qs(query).items()}
        self.body = raw.http.body or b""
        self.segments = [unquote(segment) for segment in self.path.split("/")[1:]]

    def number(self, name: str) -> float | None:
        text = self.query.get(name)
        return None if text is None else float(text)

    def arguments(self) -> list[Any]:
        return json.loads(self.body) if self.body else []


def as_json(value: Any, status: int = 200) -> ExecuteResponse:
    return ExecuteResponse(status, [HttpHeader("content-type", "application/json")], json.dumps(value).encode())


def call_host(call: Call) -> ExecuteResponse:
    _, interface, function = call.segments
    return as_json(host.call(interface, function, call.arguments()))


def repeat(call: Call) -> ExecuteResponse:
    _, interface, function = call.segments
    last: dict[str, Any] = {}
    for _ in range(int(call.number("times") or 1)):
        last = host.call(interface, function, call.arguments())
    return as_json(last)


def echo(call: Call) -> ExecuteResponse:
    types = [header.value for header in call.raw.http.headers if header.name.lower() == "content-type"]
    content_type = types[0] if types else "application/octet-stream"
    return ExecuteResponse(200, [HttpHeader("content-type", content_type)], call.body)


def headers(call: Call) -> ExecuteResponse:
    return as_json([[header.name, header.value] for header in call.raw.http.headers])


def respond(call: Call) -> ExecuteResponse:
    wanted = json.loads(call.body)
    body = None if wanted["body"] is None else base64.b64decode(wanted["body"]["$bytes"])
    return ExecuteResponse(wanted["status"], [HttpHeader(name, value) for name, value in wanted["headers"]], body)


def fill(call: Call) -> ExecuteResponse:
    return ExecuteResponse(200, [HttpHeader("content-type", "text/plain")], b"a" * int(call.number("size") or 0))


def count(_: Call) -> ExecuteResponse:
    global calls
    calls += 1
    return as_json({"count": calls})


def throw(call: Call) -> ExecuteResponse:
    raise RuntimeError(call.query.get("message", "thrown on purpose"))


def spin(call: Call) -> ExecuteResponse:
    ms, turns, start = call.number("ms"), 0, time.monotonic()
    while ms is None or (time.monotonic() - start) * 1000 < ms:
        turns += 1
    return as_json({"turns": turns})


def allocate(call: Call) -> ExecuteResponse:
    mib, kept = call.number("mib"), []
    while mib is None or len(kept) < mib:
        kept.append(b"\x01" * (1024 * 1024 + len(kept)))
    return as_json({"allocated_mib": len(kept)})


def recurse(_: Call) -> ExecuteResponse:
    def depth() -> int:
        return 1 + depth()

    sys.setrecursionlimit(1_000_000_000)
    return as_json({"depth": depth()})


def sleep(call: Call) -> ExecuteResponse:
    start = time.monotonic()
    time.sleep((call.number("ms") or 0) / 1000)
    return as_json({"slept_ms": (time.monotonic() - start) * 1000})


def write_streams(call: Call) -> ExecuteResponse:
    print(call.query.get("stdout", ""), end="", flush=True)
    print(call.query.get("stderr", ""), end="", file=sys.stderr, flush=True)
    return as_json({})


def environment(_: Call) -> ExecuteResponse:
    # The component carries its own modules as a read-only file system; what the host would add comes on top.
    return as_json({"environment": dict(os.environ), "arguments": sys.argv, "stdin": sys.stdin.read()})


def network(call: Call) -> ExecuteResponse:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.connect((call.query.get("host", "127.0.0.1"), int(call.number("port") or 80)))
    except OSError as error:
        return as_json({"refused": str(error)})
    return as_json({"refused": None})


ROUTES: dict[str, Callable[[Call], ExecuteResponse]] = {
    "call": call_host,
    "repeat": repeat,
    "request": lambda call: as_json(values.to_json(call.raw)),
    "echo": echo,
    "headers": headers,
    "status": lambda call: ExecuteResponse(int(call.segments[1]), [], None),
    "respond": respond,
    "bytes": fill,
    "count": count,
    "clock": lambda _: as_json({"now_ms": time.time() * 1000}),
    "random": lambda _: as_json({"values": [random.random(), random.SystemRandom().random()]}),
    "throw": throw,
    "spin": spin,
    "alloc": allocate,
    "recurse": recurse,
    "sleep": sleep,
    "print": write_streams,
    "environment": environment,
    "network": network,
}


class WitWorld:
    def handler(self, request: ExecuteRequest) -> ExecuteResponse:
        call = Call(request)
        route = ROUTES.get(call.segments[0])
        return as_json({"detail": "There is nothing at this path."}, 404) if route is None else route(call)
