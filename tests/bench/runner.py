"""The runner's speed: against the engine called bare, with large bodies, cold, and with many installs.

``python -m tests.bench.runner`` prints tables and writes ``.build/bench/runner.json``; where a figure has a bound
(``targets``), the table says whether it was met. Ratios compare things measured
in turns in one run; absolute times depend on the machine and on what else it does.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import wasmtime
from rich.console import Console
from rich.table import Table

from alga_ext.calls.envelope import EXECUTE_PATH, encode
from tests.bench.bare import Bare
from tests.bench.cold import cold_starts
from tests.bench.measure import Timing, in_turns
from tests.bench.targets import ADDED_MS, COLD_MS, ECHO_MS, RESIDENT_MIB, WARM_RATIO, verdict
from tests.support import wat
from tests.support.places import ROOT
from tests.support.runner_fixture import RunnerFixture, call
from tools.guests.build import build_component
from tools.guests.recipe import Engine

GUESTS = ROOT / "tests" / "conformance" / "guests"
OUT = ROOT / ".build" / "bench" / "runner.json"
ECHO = "(call $respond (i32.const 200) (call $body (local.get $request)))"
KIB, MIB = 1_024, 1_024 * 1_024

Row = dict[str, Any]


def toolchain(folder: str, engine: Engine) -> bytes:
    """Build (or find in the cache) the conformance guest of a toolchain."""
    return build_component(GUESTS / folder, engine=engine).read_bytes()


GUEST_BUILDERS: dict[str, Callable[[], bytes]] = {
    "trivial (WAT)": lambda: wat.guest(ECHO),
    "QuickJS 1.6 MB": lambda: toolchain("js", "quickjs"),
    "StarlingMonkey 12 MB": lambda: toolchain("js", "starlingmonkey"),
    "CPython 18 MB": lambda: toolchain("py", "cpython"),
}


class Prepared:
    """Calls made ready before the clock runs: envelope, token and event; each is good once."""

    def __init__(self, house: RunnerFixture, content_hash: str, times: int, **how: Any) -> None:
        self._house = house
        self._events = [self._event(content_hash, how) for _ in range(times)]

    def _event(self, content_hash: str, how: dict[str, Any]) -> dict[str, Any]:
        request = call(content_hash, **how)
        body = encode(request)
        return {
            "version": "2.0",
            "rawPath": EXECUTE_PATH,
            "headers": {"authorization": f"Bearer {self._house.token(request, body)}"},
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}, "requestId": "bench"},
            "body": body.decode(),
            "isBase64Encoded": False,
        }

    def __call__(self) -> None:
        answer = self._house.runner.answer(self._events.pop())
        if answer["statusCode"] != 200 or '"error"' in answer["body"][:200]:
            raise RuntimeError(answer["body"][:500])


def against_bare(house: RunnerFixture, times: int) -> Iterator[Row]:
    """A small call of each guest: at the handler, against wasmtime-py's own ``Func.__call__``."""
    for name, build in GUEST_BUILDERS.items():
        binary = build()
        content_hash = house.publish(binary)
        bare = Bare(binary)
        Prepared(house, content_hash, 1, path="/count")()
        prepared = Prepared(house, content_hash, times, path="/count")
        ours, theirs = in_turns([prepared, partial(bare.call, "GET", "/count", None)], times)
        yield {
            "guest": name,
            "handler": ours._asdict(),
            "bare": theirs._asdict(),
            "ratio": round(ours.p50_ms / theirs.p50_ms, 2),
            "added_ms": round(ours.p50_ms - theirs.p50_ms, 3),
            "target": verdict(ours.p50_ms / theirs.p50_ms, WARM_RATIO.get(name))
            or verdict(ours.p50_ms - theirs.p50_ms, ADDED_MS.get(name)),
        }


def with_bodies(house: RunnerFixture, times: int) -> Iterator[Row]:
    """An echo of each size at the handler; bare for comparison where it takes less than minutes."""
    for name in ("trivial (WAT)", "QuickJS 1.6 MB", "StarlingMonkey 12 MB", "CPython 18 MB"):
        binary = GUEST_BUILDERS[name]()
        content_hash = house.publish(binary)
        bare = Bare(binary)
        for size in (64 * KIB, MIB, 4 * MIB):
            body = bytes(range(256)) * (size // 256)
            how = {"method": "POST", "path": "/echo", "body": body, "memory_mb": 256, "timeout_ms": 10_000}
            (ours,) = in_turns([Prepared(house, content_hash, times, **how)], times)
            theirs = None
            if size <= MIB:
                (theirs,) = in_turns([partial(bare.call, "POST", "/echo", body)], 2 if size == MIB else 5)
            yield {
                "guest": name,
                "bytes": size,
                "handler": ours._asdict(),
                "bare_p50_ms": theirs.p50_ms if theirs else None,
                "target": verdict(ours.p50_ms, ECHO_MS.get(size)),
            }


def many_installs(folder: Path, small: int = 200) -> Row:
    """208 programs of 208 installs (200 WAT, 8 JavaScript) in turn, twice: every call needs a new sandbox."""
    house = RunnerFixture(folder / "many", artifact_budget_bytes=512 * MIB)
    try:
        programs = [
            house.publish(wat.guest(ECHO, extra=f"(func $f (result i32) (i32.const {n}))")) for n in range(small)
        ]
        script = toolchain("js", "quickjs")
        for number in range(8):
            programs.insert(small // 8 * number, house.publish(_distinct(script, number)))
        rounds, processes, resident = [], 0, 0
        for _ in range(2):
            timing = []
            for program in programs:
                install_id = str(uuid.uuid5(uuid.NAMESPACE_OID, program))
                made = Prepared(house, program, 1, path="/count", install_id=install_id)
                started = time.perf_counter()
                made()
                timing.append((time.perf_counter() - started) * 1_000)
                alive = house.pool.process_ids()
                processes = max(processes, len(alive))
                resident = max(resident, sum(map(_resident_bytes, alive)))
            rounds.append(Timing.of(timing))
    finally:
        house.close()
    return {
        "installs": len(programs),
        "processes": processes,
        "resident_mib": resident // MIB,
        "target": verdict(resident / MIB, RESIDENT_MIB),
        "first_round_p50_ms": rounds[0].p50_ms,
        "second_round_p50_ms": rounds[1].p50_ms,
        "second_round_p99_ms": rounds[1].p99_ms,
    }


def host_calls(house: RunnerFixture, times: int) -> Iterator[Row]:
    """What one host import costs: answered in the child, and brokered by the parent."""
    loop = "(local $n i32) (loop $again {call} (local.set $n (i32.add (local.get $n) (i32.const 1))) {more})"
    more = "(br_if $again (i32.lt_u (local.get $n) (i32.const 500)))"
    answer = "(call $respond (i32.const 200) (i32.const 0) (i32.const 0))"
    for name, code, imported in (
        ("answered in the child", "(call $context.get-context (i32.const 256))", "context.get-context"),
        ("brokered, refused", "(call $secrets.list-keys (i32.const 256))", "secrets.list-keys"),
    ):
        binary = wat.guest(loop.format(call=code, more=more) + answer, imports=[imported])
        content_hash = house.publish(binary)
        (found,) = in_turns([Prepared(house, content_hash, times)], times)
        yield {"import": name, "each_ms": round(found.p50_ms / 500, 4)}


def _distinct(binary: bytes, number: int) -> bytes:
    """The same component with a core module of its own, and so with other machine code: custom sections are dropped."""
    module = bytes(wasmtime.wat2wasm(f"(module (func (result i32) (i32.const {number})))"))
    assert len(module) < 128  # one byte of LEB128
    return binary + bytes([1, len(module)]) + module


def _resident_bytes(process_id: int) -> int:
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * 4_096


@contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _show(console: Console, title: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*["–" if cell is None else str(cell) for cell in row])
    console.print(table)


def run(times: int, *, cold: bool) -> Row:
    """Measure everything, print tables, return the figures."""
    console = Console(width=120)
    figures: Row = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _quiet():
        from tests.support.runner_fixture import MAXIMA

        house = RunnerFixture(Path(folder, "house"), maxima=MAXIMA)
        try:
            figures["against_bare"] = list(against_bare(house, times))
            _show(
                console,
                "A small call at the handler against wasmtime-py's own Func.__call__ (ms)",
                ["guest", "handler p50", "p99", "bare p50", "p99", "added", "ratio", "target"],
                [
                    [r["guest"], r["handler"]["p50_ms"], r["handler"]["p99_ms"], r["bare"]["p50_ms"],
                     r["bare"]["p99_ms"], r["added_ms"], r["ratio"], r["target"]]
                    for r in figures["against_bare"]
                ],
            )  # fmt: skip
            figures["bodies"] = list(with_bodies(house, max(5, times // 40)))
            _show(
                console,
                "Echo of a body (ms)",
                ["guest", "bytes", "handler p50", "p99", "bare p50", "target"],
                [
                    [r["guest"], r["bytes"], r["handler"]["p50_ms"], r["handler"]["p99_ms"], r["bare_p50_ms"],
                     r["target"]]
                    for r in figures["bodies"]
                ],
            )  # fmt: skip
            figures["host_calls"] = list(host_calls(house, max(5, times // 40)))
            _show(
                console,
                "One host import (ms)",
                ["import", "each"],
                [[r["import"], r["each_ms"]] for r in figures["host_calls"]],
            )
        finally:
            house.close()
        figures["many"] = [many_installs(Path(folder))]
        _show(
            console,
            "208 programs of 208 installs in turn",
            list(figures["many"][0]),
            [list(row.values()) for row in figures["many"]],
        )
        if cold:
            figures["cold"] = [
                {**row._asdict(), "target": verdict(row.p50_ms, COLD_MS.get(row.guest))}
                for row in cold_starts(GUEST_BUILDERS)
            ]
            _show(
                console,
                "Cold: process start to first answer, artifact in the object store (ms)",
                ["guest", "best", "worst", "p50", "target"],
                [[r["guest"], r["best_ms"], r["worst_ms"], r["p50_ms"], r["target"]] for r in figures["cold"]],
            )
    return figures


def main() -> int:
    """Run from the command line; return 1 when a target was not met, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=400, help="calls for each figure")
    parser.add_argument("--no-cold", action="store_true", help="leave out the cold starts, which need a store server")
    options = parser.parse_args()
    figures = run(options.times, cold=not options.no_cold)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2))
    print(f"written to {OUT}")
    judged = [row["target"] for name in ("against_bare", "bodies", "cold", "many") for row in figures.get(name, ())]
    return int(any(target is not None and target.endswith("not met") for target in judged))


if __name__ == "__main__":
    sys.exit(main())
