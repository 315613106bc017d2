"""Calls through the whole local platform by several clients at once, and where the CPU time of these calls goes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from tests.bench.measure import Timing
from tests.support.gateway import UNLIMITED
from tests.support.places import ROOT
from tests.support.servers import Loop
from tests.support.site import CLAIMS, Site
from tests.support.wat import guest
from tools.local.platform import Options, Platform

_HELLO: Final = '(data (i32.const 0) "hello")'
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """What a number of clients saw."""

    clients: int
    calls_per_s: float
    p50_ms: float
    p99_ms: float


class Profile(NamedTuple):
    """Where the time of the calls of one client goes.

    Attributes:
        p50_ms: of a call.
        cpu_ms: CPU time of one call, by part of the platform.
        send_ms: one message to the emulated queue, p50. A call sends two.
    """

    p50_ms: float
    cpu_ms: dict[str, float]
    send_ms: float


def through_the_platform(loop: Loop, numbers: Sequence[int], seconds: float) -> tuple[list[Measured], Profile]:
    """Start the platform and measure each number of clients for some seconds; then profile one client."""
    state = ROOT / ".local" / f"bench-{os.getpid()}"
    platform = Platform(Options(state, 0, 0, 0, environ={"DEFAULT_LIMITS": UNLIMITED}))
    loop.run(platform.start())
    try:
        site = Site(platform, loop)
        install = site.install(guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 5))", data=_HELLO))
        place = urlsplit(site.api)
        target = {
            "host": place.hostname,
            "port": place.port,
            "path": f"/api/ext/{install}/run",
            "token": platform.keys.token(CLAIMS["acme"]),
        }
        _called(target, max(numbers), 3)  # every process is started
        profile = _profiled(platform, target, seconds)
        found = [_measured(platform, target, number, seconds) for number in numbers]
        site.close()
        return found, profile
    finally:
        loop.run(platform.stop())
        shutil.rmtree(state, ignore_errors=True)


def _called(target: Mapping[str, Any], clients: int, seconds: float) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.caller", str(clients), str(seconds)],
        input=json.dumps(target),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    answer = json.loads(done.stdout)
    if answer["statuses"].keys() != {"200"}:
        message = f"not every call was answered with 200: {answer['statuses']}"
        raise RuntimeError(message)
    times: list[float] = answer["times_ms"]
    return times


def _wait_for_the_queue(platform: Platform) -> None:
    """Wait until the records of all calls are written: the emulated queue is slower the more messages it holds."""
    environment = platform.functions.specs["gateway"].environment
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    asked = {"QueueUrl": environment["EXECUTIONS_QUEUE_URL"], "AttributeNames": names}
    api = AwsApi(environment)
    while any(int(count) for count in api.ask("sqs", "AmazonSQS.GetQueueAttributes", asked)["Attributes"].values()):
        time.sleep(0.5)


def _measured(platform: Platform, target: Mapping[str, Any], clients: int, seconds: float) -> Measured:
    _wait_for_the_queue(platform)
    times = _called(target, clients, seconds)
    timing = Timing.of(times)
    return Measured(clients, round(len(times) / seconds, 1), timing.p50_ms, timing.p99_ms)


def _profiled(platform: Platform, target: Mapping[str, Any], seconds: float) -> Profile:
    _wait_for_the_queue(platform)
    before = _cpu_ms(platform)
    times = _called(target, 1, seconds)
    after = _cpu_ms(platform)
    spent = {part: round((after[part] - before.get(part, 0.0)) / len(times), 2) for part in after}
    shown = {part: cpu_ms for part, cpu_ms in sorted(spent.items(), key=lambda item: -item[1]) if cpu_ms > 0}
    return Profile(Timing.of(times).p50_ms, shown, _send_ms(platform))


def _send_ms(platform: Platform) -> float:
    """Return how long the emulated queue takes for one message, for a sender that does nothing else."""
    api = AwsApi(platform.functions.specs["gateway"].environment)
    queue = SqsQueue(api.ask("sqs", "AmazonSQS.CreateQueue", {"QueueName": "bench"})["QueueUrl"], api)
    taken = []
    for _ in range(200):
        started_s = time.perf_counter()
        queue.send(b"{}", "bench")
        taken.append((time.perf_counter() - started_s) * 1_000)
    return round(median(taken), 2)


def _cpu_ms(platform: Platform) -> dict[str, float]:
    """Return the CPU time that each part of the platform has used, its child processes included."""
    functions = platform.functions
    roots = {f"function {name}": functions.pids(name) for name in functions.specs}
    children = _children()
    spent = {part: sum(_of_tree(pid, children) for pid in pids) for part, pids in roots.items()}
    known = {pid for pids in roots.values() for pid in pids}
    for pid in children.get(os.getpid(), []):
        if pid not in known:
            name = _name(pid)
            spent[name] = spent.get(name, 0.0) + _of_tree(pid, children)
    spent["platform process: front, runtime API, pollers"] = _own(os.getpid())
    return spent


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # the process has ended
            found.setdefault(parent, []).append(int(folder.name))
    return found


def _of_tree(pid: int, children: Mapping[int, list[int]]) -> float:
    return _own(pid) + sum(_of_tree(child, children) for child in children.get(pid, []))


def _own(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:13]) / _TICKS_PER_S * 1_000


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "ended"
    return "PostgreSQL" if "postgres" in words else "emulated AWS" if "moto" in words else "others"
