"""Start and end child processes, each in its own process group and tied to the platform's lifetime."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a process runs under when the platform itself runs as root."""

    uid: int
    gid: int


class Child:
    """One running child process and its group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended, as far as known."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end and return the exit status, negative for a signal."""
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, not to its group; do nothing when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the whole group immediately."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, first: signal.Signals = signal.SIGTERM, grace_s: float = STOP_GRACE_S) -> None:
        """Send `first`, and kill the group after `grace_s` seconds; return when the process has ended."""
        if self.running:
            self.send(signal.SIGCONT)  # a suspended process would not handle the next signal
            self.send(first)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        self.kill()  # processes that it left in its group
        await self._process.wait()


async def start_module(
    module: str, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> Child:
    """Run a Python module as a child, which ends with the platform. Its output is appended to `log`."""
    return await _start("SIGKILL", ["module", module, *arguments], environment, folder, log, None)


async def start_program(
    program: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    death_signal: str = "SIGKILL",
    account: Account | None = None,
) -> Child:
    """Run a program as a child, under `account` when given. Its output is appended to `log`."""
    return await _start(death_signal, ["program", str(program), *arguments], environment, folder, log, account)


async def _start(
    death_signal: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    account: Account | None,
) -> Child:
    # PR_SET_PDEATHSIG refers to the *thread* that forks. All children are started from the event loop's thread, which
    # runs as long as the platform. A child started from a worker thread would be killed when that thread ends.
    log.parent.mkdir(parents=True, exist_ok=True)
    identity = "-" if account is None else f"{account.uid}:{account.gid}"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tools.local.child",
            str(os.getpid()),
            death_signal,
            identity,
            *command,
            env=dict(environment),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Child(process)
