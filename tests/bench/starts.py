"""Starts of functions from their built assets, under the runtime's Python.

``python -m tests.bench.starts`` prints three tables and writes ``.build/bench/starts.json``:

- the CPU time of each function's init;
- the runner from the start of its process to its first answer, with the artifact in an object store on loopback;
- the same with the CPU share of several memory sizes, and the calls after it, each after all processes were stopped. It
  needs the right to make a control group.

Times on the wall depend on what else the machine does, CPU time much less.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from alga_ext.calls.envelope import EXECUTE_PATH, encode
from tests.bench.runner import GUEST_BUILDERS
from tests.bench.started import Started, limited
from tests.bench.targets import FIRST_ANSWER_MS, INIT_CPU_MS, verdict
from tests.support.function_settings import AWS, good_environment
from tests.support.object_server import ObjectServer
from tests.support.places import ROOT
from tests.support.runner_fixture import RunnerFixture, call
from tools.assets.build import build
from tools.assets.runtime import NoRuntimePythonError, runtime_python
from topology.functions import FUNCTIONS, RUNNER, Function
from topology.runtime import PYTHON_VERSION

OUT = ROOT / ".build" / "bench" / "starts.json"
GUESTS: Final = ("trivial (WAT)", "StarlingMonkey 12 MB")
MEMORY_MB: Final = (896, 1_769, 2_432)
"""The least memory that a runner can have (two sandboxes of 256 MiB), one core, and the default."""
OTHER_INSTALL: Final = "22222222-1111-4111-8111-111111111111"
_FROZEN_S: Final = 0.1
_INIT: Final = """
import importlib, os, time
importlib.import_module({module!r})
print(time.process_time() * 1000, flush=True)
os._exit(0)
"""

Row = dict[str, Any]


class Assets:
    """Built assets and the Python that runs them."""

    def __init__(self, folder: Path) -> None:
        self.python = runtime_python()
        self._dist = folder / "dist"
        build(ROOT, self._dist)

    def environment(self, function: Function, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which a function finds its code and its settings."""
        folders = [self._dist / "functions" / function.name]
        folders += [self._dist / "layers" / layer.name / "python" for layer in function.layers]
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(map(str, folders)),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{PYTHON_VERSION}",
            **AWS,
            **settings,
        }


def inits(assets: Assets, folder: Path, times: int) -> Iterator[Row]:
    """CPU time of the init of each function, in turns."""
    settings = good_environment(folder / "artifacts")
    taken: dict[str, list[float]] = {function.name: [] for function in FUNCTIONS}
    for _ in range(times):
        for function in FUNCTIONS:
            program = _INIT.format(module=function.handler.rpartition(".")[0])
            command = [str(assets.python), "-c", program]
            environment = assets.environment(function, settings)
            ended = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
            taken[function.name].append(float(ended.stdout))
    for name, samples in taken.items():
        yield {
            "function": name,
            "cpu_ms": round(median(samples)),
            "best_ms": round(min(samples)),
            "target": verdict(median(samples), INIT_CPU_MS.get(name)),
        }


class Runners:
    """Starts runners for one guest, whose artifact is in an object store."""

    def __init__(self, assets: Assets, house: RunnerFixture, content_hash: str, url: str, folder: Path) -> None:
        self._assets = assets
        self._house = house
        self._content_hash = content_hash
        self._url = url
        self._folder = folder
        self._starts = 0

    def measure(self, group: Path | None = None) -> Row:
        """Start a runner, and make four calls: the last one of another install."""
        self._starts += 1
        house = self._house
        entries = [
            {"key_id": key.key_id, "public_key": key.public_pem, "use": use}
            for key, use in ((house.release_key, "release"), (house.artifact_key, "artifact"))
        ]
        settings = {
            **good_environment(self._folder / f"artifacts-{self._starts}"),
            "AWS_ENDPOINT_URL": self._url,
            "BUNDLE_STORE_BASE": "s3://bench",
            "SIGNING_TRUST_BUNDLE": json.dumps({"version": 1, "keys": entries}),
            "EXECUTION_TOKEN_PUBLIC_KEY": house.gateway_key.public_pem,
        }
        started = Started(self._assets.python, self._assets.environment(RUNNER, settings), group)
        try:
            taken = {"first_ms": started.first(self._event())}
            runner_cpu_ms, sandboxes_cpu_ms = started.cpu_ms()
            taken |= {"runner_cpu_ms": runner_cpu_ms, "sandbox_cpu_ms": sandboxes_cpu_ms[0]}
            for name, how in {"second_ms": {}, "third_ms": {}, "other_ms": {"install_id": OTHER_INSTALL}}.items():
                started.freeze()
                time.sleep(_FROZEN_S)
                taken[name] = started.answer(self._event(**how))
        finally:
            started.close()
        return taken

    def _event(self, **how: Any) -> dict[str, Any]:
        request = call(self._content_hash, path="/count", **how)
        body = encode(request)
        return {
            "rawPath": EXECUTE_PATH,
            "headers": {"authorization": f"Bearer {self._house.token(request, body)}"},
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}},
            "body": body.decode(),
            "isBase64Encoded": False,
        }


def runners(
    assets: Assets, folder: Path, guests: Mapping[str, Callable[[], bytes]], times: int
) -> Iterator[tuple[Row, list[Row]]]:
    """For each guest, the row of the first table and the rows of the second one, which are empty without groups."""
    house = RunnerFixture(folder / "house")
    try:
        for guest, component in guests.items():
            content_hash = house.publish(component())
            with ObjectServer("bench", house.store.objects) as server:
                made = Runners(assets, house, content_hash, server.url, folder)
                made.measure()
                free = _medians([made.measure() for _ in range(times)])
                limits = []
                for memory_mb in MEMORY_MB:
                    with limited(memory_mb) as group:
                        if group is not None:
                            found = _medians([made.measure(group) for _ in range(times)])
                            limits.append({"guest": guest, "memory_mb": memory_mb, **found})
            target = verdict(free["first_ms"], FIRST_ANSWER_MS.get(guest))
            yield {"guest": guest, **free, "target": target}, limits
    finally:
        house.close()


def _medians(rows: list[Row]) -> Row:
    return {name: round(median(row[name] for row in rows), 1) for name in rows[0]}


def _show(title: str, columns: Mapping[str, str], rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns.values()):
        table.add_column(column, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*["–" if row[name] is None else str(row[name]) for name in columns])
    Console(width=120).print(table)


def main() -> int:
    """Run from the command line; return 1 when a target was not met, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="starts for each figure")
    options, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="bench-starts-") as name:
        folder = Path(name)
        try:
            assets = Assets(folder)
        except NoRuntimePythonError as error:
            print(f"STARTS FROM ASSETS ARE NOT MEASURED: {error}")
            return 0
        figures: dict[str, list[Row]] = {"inits": list(inits(assets, folder, options.times))}
        _show(
            "Init from the asset (CPU ms)",
            {"function": "function", "cpu_ms": "p50", "best_ms": "best", "target": "target"},
            figures["inits"],
        )
        guests = {guest: GUEST_BUILDERS[guest] for guest in GUESTS}
        free, limits = zip(*runners(assets, folder, guests, options.times), strict=True)
        calls = {
            "first_ms": "first answer",
            "second_ms": "second call",
            "third_ms": "third",
            "other_ms": "of another install",
        }
        figures |= {"free": list(free), "limited": [row for rows in limits for row in rows]}
        _show(
            "The runner from its asset: process start to first answer, and calls after it (p50, ms)",
            {"guest": "guest", "runner_cpu_ms": "runner's CPU", "sandbox_cpu_ms": "sandbox's CPU", **calls,
             "target": "target"},
            figures["free"],
        )  # fmt: skip
        _show(
            "The same with the CPU share of a memory size; all processes are stopped between the calls (p50, ms)",
            {"guest": "guest", "memory_mb": "MB", "runner_cpu_ms": "runner's CPU", "sandbox_cpu_ms": "sandbox's CPU",
             **calls},
            figures["limited"],
        )  # fmt: skip
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2))
    print(f"written to {OUT}")
    judged = [row["target"] for name in ("inits", "free") for row in figures[name]]
    return int(any(target is not None and target.endswith("not met") for target in judged))


if __name__ == "__main__":
    sys.exit(main())
