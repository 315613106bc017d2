"""One started runner: a process group that answers events, with its CPU time, which can be frozen and limited.

Lambda gives a function a share of the CPU in proportion to its memory, 1769 MB for one core, and freezes all of its
processes when an answer is sent. Here a control group limits the processes to the share, in periods of 20 ms, and
SIGSTOP freezes them.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

CORE_MB: Final = 1_769
_PERIOD_US: Final = 20_000
_GROUPS: Final = Path("/sys/fs/cgroup")
_PROGRAM: Final = """
import contextlib, json, sys
from functions.runner.handler import handler
for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
        answer = handler(json.loads(line), None)
    print(json.dumps(answer), flush=True)
"""


class Started:
    """A runner's process, begun when this is made. ``close`` it."""

    def __init__(self, python: Path, environment: Mapping[str, str], group: Path | None = None) -> None:
        enter = [] if group is None else ["/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            [*enter, str(python), "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    def first(self, event: dict[str, Any]) -> float:
        """Answer the first event; return the milliseconds since the process was begun."""
        self._ask(event)
        return (time.perf_counter() - self._begun) * 1_000

    def answer(self, event: dict[str, Any]) -> float:
        """Thaw the processes, answer an event, and return the milliseconds that it took."""
        begun = time.perf_counter()
        os.killpg(self._process.pid, signal.SIGCONT)
        self._ask(event)
        return (time.perf_counter() - begun) * 1_000

    def freeze(self) -> None:
        """Stop all processes, as Lambda does once the answer is sent."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def cpu_ms(self) -> tuple[float, list[float]]:
        """Return the CPU time that the runner has used, and that each of its sandboxes has used, the eldest first."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return _cpu_ms(self._process.pid), [_cpu_ms(int(child)) for child in sorted(children, key=int)]

    def close(self) -> None:
        """End the processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _ask(self, event: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(event).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"statusCode": None, "body": "{}"}
        if answer["statusCode"] != 200 or json.loads(answer["body"]).get("error"):
            message = f"the runner did not answer: {answer['body'][:500]}"
            raise RuntimeError(message)


def _cpu_ms(process_id: int) -> float:
    tasks = Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


@contextmanager
def limited(memory_mb: int) -> Iterator[Path | None]:
    """Yield a control group with the CPU share of a function of this memory, or None where none can be made.

    Up to its share, it goes before all other processes, so that what else the machine does hardly counts.
    """
    quota_us = _PERIOD_US * memory_mb // CORE_MB
    group = (_GROUPS / "cpu" if (_GROUPS / "cpu").is_dir() else _GROUPS) / f"bench-{os.getpid()}"
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
            (group / "cpu.weight").write_text("10000")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
            (group / "cpu.shares").write_text("262144")
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        while (group / "cgroup.procs").read_text():  # the kernel has not let go of the last process yet
            time.sleep(0.01)
        group.rmdir()
