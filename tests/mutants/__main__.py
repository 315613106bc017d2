"""`python -m tests.mutants [MODULE…]`: change the modules that decide, one place at a time; their tests must notice.

Prints the score of each module and the mutants that survived. The status is 1 when a module scores less than 95 %.
What was run is kept in `.build/mutants/state.json`, so a run that was interrupted goes on where it was; results of a
module are dropped when the module or any test changes. equivalents.toml lists mutants that behave as the module does.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.mutants.forked import BASELINE_OUTPUT, Module, Run, limit_after, preload
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.targets import stages_of, targets
from tests.support.places import ROOT

STATE: Final = ROOT / ".build/mutants/state.json"
EQUIVALENTS: Final = Path(__file__).with_name("equivalents.toml")
LEAST_PERCENT: Final = 95.0
_PASSED, _POLL_S, _BASELINE_LIMIT_S = 0, 0.02, 900.0


class State:
    """Results by module and mutant: `killed`, `timeout` or `survived`."""

    def __init__(self, path: Path, tests: str) -> None:
        self._path, self._tests = path, tests
        self._kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def results(self, module: Module, *, only_survivors: bool) -> dict[str, str]:
        """Return what is known about the module as it is now."""
        source = hashlib.sha256(module.path.read_bytes()).hexdigest()
        known = self._kept.get(module.name, {})
        results: dict[str, str] = known.get("results", {}) if known.get("source") == source else {}
        if only_survivors:
            results = {name: result for name, result in results.items() if result != "survived"}
        elif known.get("tests") != self._tests:
            results = {}
        self._kept[module.name] = {"source": source, "tests": self._tests, "results": results}
        return results

    def save(self) -> None:
        """Write the file, whole or not at all."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._kept, ensure_ascii=False, indent=1))
        new.replace(self._path)


class Tester:
    """Runs the tests of one module over its mutants, some at a time, stage by stage."""

    def __init__(self, module: Module, jobs: int, deadline: float) -> None:
        self._module, self._jobs, self._deadline = module, jobs, deadline
        self._stages = stages_of(module)
        self._limits_s: list[float] = []

    def run(self, chosen: Sequence[Mutant], results: dict[str, str], save: Callable[[], None]) -> None:
        """Fill ``results`` until all are run or the time is over."""
        waiting = [(mutant, 0) for mutant in reversed(chosen)]
        running: dict[Run, tuple[Mutant, int]] = {}
        try:
            while running or (waiting and time.monotonic() < self._deadline):
                while waiting and len(running) < self._jobs and time.monotonic() < self._deadline:
                    mutant, stage = waiting.pop()
                    running[self._started(mutant, stage)] = mutant, stage
                time.sleep(_POLL_S)
                for run in list(running):
                    if (ended := run.finished()) is None:
                        continue
                    mutant, stage = running.pop(run)
                    if ended.status == _PASSED and stage + 1 < len(self._stages):
                        waiting.append((mutant, stage + 1))
                        continue
                    results[mutant.name] = {None: "timeout", _PASSED: "survived"}.get(ended.status, "killed")
                    save()
        finally:
            for run in running:
                run.stop()

    def _started(self, mutant: Mutant, stage: int) -> Run:
        if stage == len(self._limits_s):
            self._limits_s.append(limit_after(self._baseline_s(self._stages[stage])))
        code = functools.partial(mutant.code, str(self._module.path))
        return Run(self._module, code, self._stages[stage], self._limits_s[stage])

    def _baseline_s(self, files: Sequence[str]) -> float:
        """Run tests over the module as it is, and return how long they take."""
        run = Run(self._module, None, files, _BASELINE_LIMIT_S)
        while (ended := run.finished()) is None:
            time.sleep(_POLL_S)
        if ended.status != _PASSED:
            sys.exit(f"{files} fail without a mutant; see {BASELINE_OUTPUT.relative_to(ROOT)}")
        return ended.seconds


@contextlib.contextmanager
def servers() -> Iterator[None]:
    """Servers that all runs share; they end with this process, however it ends."""
    command = [sys.executable, "-m", "tests.mutants.servers"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        os.environ |= json.loads(process.stdout.readline())
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(30)


def equivalents() -> dict[str, set[str]]:
    """Return the names of equivalent mutants by module."""
    listed = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    return {module: {entry["mutant"] for entry in entries} for module, entries in listed.items()}


def needs_servers(module: Module) -> bool:
    """Tell whether a test file of the module is outside the unit tests."""
    return any(not file.startswith("tests/unit/") for stage in stages_of(module) for file in stage)


def tests_digest() -> str:
    """Return a hash of all tests."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def report(module: Module, every: Sequence[Mutant], chosen: Sequence[Mutant], results: dict[str, str]) -> float | None:
    """Print a module's line and its survivors; return its score in percent."""
    counts = Counter(results[mutant.name] for mutant in chosen if mutant.name in results)
    ran = counts.total()
    score = 100 * (ran - counts["survived"]) / ran if ran else None
    shown = "      -" if score is None else f"{score:6.1f} %"
    rest = f"{ran:4} of {len(every):4} run, {counts['survived']:3} survived, {counts['timeout']:3} out of time"
    print(f"{shown}  {rest}  {module.name}", flush=True)
    for mutant in chosen:
        if results.get(mutant.name) == "survived":
            print(f"      line {mutant.line}  {mutant.name}", flush=True)
    return score


def main(arguments: Sequence[str]) -> int:
    """Run and return the status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("modules", nargs="*", help="dotted names; every module when none is given")
    parser.add_argument("--sample", type=int, default=15, help="mutants of each module (15)")
    parser.add_argument("--seed", default="1", help="which ones: another seed draws others (1)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at a time (2)")
    parser.add_argument("--minutes", type=float, default=58, help="when to stop (58)")
    parser.add_argument(
        "--survivors", action="store_true", help="keep results although tests changed, but not survivors"
    )
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + options.minutes * 60
    known = {module.name: module for module in targets()}
    if unknown := set(options.modules) - known.keys():
        parser.error(f"not among the modules that are mutated: {', '.join(sorted(unknown))}")
    wanted = [known[name] for name in options.modules or known]
    state, known_equivalents, bad = State(STATE, tests_digest()), equivalents(), 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process is left behind
    preload()
    STATE.parent.mkdir(parents=True, exist_ok=True)
    with servers() if any(map(needs_servers, wanted)) else contextlib.nullcontext():
        for module in wanted:
            every = mutants(module.path.read_text(encoding="utf-8"))
            listed = known_equivalents.get(module.name, set())
            if gone := listed - {mutant.name for mutant in every}:
                sys.exit(f"equivalents.toml lists mutants of {module.name} that do not exist: {sorted(gone)}")
            every = [mutant for mutant in every if mutant.name not in listed]
            draw = random.Random(f"{options.seed} {module.name}")
            chosen = sorted(draw.sample(every, min(options.sample, len(every))), key=lambda mutant: mutant.line)
            results = state.results(module, only_survivors=options.survivors)
            waiting = [mutant for mutant in chosen if mutant.name not in results]
            if waiting and time.monotonic() < deadline:
                Tester(module, options.jobs, deadline).run(waiting, results, state.save)
            score = report(module, every, chosen, results)
            bad += score is not None and score < LEAST_PERCENT
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
