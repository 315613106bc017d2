"""Evaluate what publishers wrote in one worker process that can be killed.

A schema, a pattern or a file to compress can be made to cost far more than its size suggests. The limits on steps in
``schemas`` are meant to bound this; the worker bounds what they overlook. It is started at first use, kept between
requests, and killed when a request takes longer than its budget. Its answers are untrusted in form and size.
"""

import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from alga_ext.confinement.confine import NOT_CONFINED_EXIT_STATUS
from alga_ext.errors import PlatformError
from alga_ext.loader import loader_environment
from alga_ext.telemetry import logger
from functions.registry.evaluation import messages
from functions.registry.evaluation.messages import (
    ANSWERS,
    CheckConfig,
    CheckData,
    CheckSchema,
    Compress,
    Compressed,
    Ready,
    Request,
    Verdict,
    Verdicts,
)

BUDGET_S: Final = 10.0
"""Wall-clock time of one request. The limits on steps end a check after about two seconds."""

_CPU_S: Final = 20
"""CPU time of one request. The budget is shorter; this limit also holds when this process has died."""

_START_TIMEOUT_S: Final = 20.0
_EXIT_TIMEOUT_S: Final = 1.0
_CPU_CLOCK: Final = 2
"""The low bits of the id of a process's CPU clock, see clock_getcpuclockid(3)."""
_DETAIL_LIMIT_CHARS: Final = 1_000
_BOOTSTRAP: Final = (
    "import sys; sys.path[:0] = sys.argv[1:-1]; from functions.registry.evaluation.worker import main; main()"
)

AnswerT = TypeVar("AnswerT", Verdict, Verdicts, Compressed)


class _EndedError(Exception):
    """The worker was killed, or it ended, before it answered. The text says why, for logs."""


class _TooLargeError(_EndedError):
    """The request is larger than a message may be. Nothing was sent, and the worker is as it was."""


class Evaluator:
    """Runs evaluations in the worker, one at a time.

    Args:
        in_transaction: tells whether the calling thread has a database transaction open. An evaluation would keep its
            locks, for which a withdrawal or a revocation would have to wait, so it is refused then.
        budget_s: wall-clock time of one request.
    """

    def __init__(self, in_transaction: Callable[[], bool], budget_s: float = BUDGET_S) -> None:
        self._in_transaction = in_transaction
        self._budget_s = budget_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def check_schema(self, schema: Mapping[str, Any]) -> None:
        """Check a manifest's ``config``, see ``config_schema.check_schema``.

        Raises:
            PlatformError: ``manifest_invalid``, also when the check was killed; ``policy_unavailable`` when the worker
                cannot be started.
        """
        try:
            verdict = self._ask(CheckSchema(_encoded(schema)), Verdict, self._budget_s)
        except _EndedError:
            detail = f"manifest.json: config: checking it takes more than {self._budget_s:g} s; make it simpler."
            raise PlatformError("manifest_invalid", detail) from None
        if verdict.fault is not None:
            raise PlatformError("manifest_invalid", verdict.fault[:_DETAIL_LIMIT_CHARS])

    def first_fault(self, schema: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
        """Return the most relevant fault of a configuration, see ``config_schema.first_fault``.

        A check that was killed is a fault too.

        Raises:
            PlatformError: ``policy_unavailable`` when the worker cannot be started.
        """
        try:
            verdict = self._ask(CheckConfig(_encoded(schema), _encoded(config)), Verdict, self._budget_s)
        except _EndedError:
            return f"at config: checking it takes more than {self._budget_s:g} s; shorten it"
        return None if verdict.fault is None else verdict.fault[:_DETAIL_LIMIT_CHARS]

    def data_faults(self, documents: Sequence[tuple[Mapping[str, Any], Any]]) -> list[str | None]:
        """Return the most relevant fault of each event's data, or None: see ``config_schema.first_fault``.

        Data is at fault only when it would be at every attempt: it does not fit, its check takes too many steps, or the
        documents are too long for one request to the worker. A worker that died or exceeded its budget says nothing
        about the data, since other load on the machine may be why.

        Args:
            documents: a schema that ``check_schema`` accepts, and the data.

        Raises:
            PlatformError: ``policy_unavailable`` when the worker cannot be started, or gave no valid answer in time.
        """
        schemas: dict[bytes, int] = {}
        data = [(schemas.setdefault(_encoded(schema), len(schemas)), _encoded(one)) for schema, one in documents]
        try:
            verdicts = self._ask(CheckData(list(schemas), data), Verdicts, self._budget_s)
        except _TooLargeError:
            return ["at data: the events are too long to be checked together; send fewer in one request"] * len(data)
        except _EndedError as error:
            raise _unchecked(error) from error
        if len(verdicts.faults) != len(data):
            raise _unchecked(None)
        return [None if fault is None else fault[:_DETAIL_LIMIT_CHARS] for fault in verdicts.faults]

    def compress(
        self, data: bytes, brotli_quality: int, gzip_level: int, budget_s: float
    ) -> tuple[bytes, bytes] | None:
        """Compress a file with brotli and gzip; None when this takes more than ``budget_s`` seconds or fails.

        Raises:
            PlatformError: ``policy_unavailable`` when the worker cannot be started.
        """
        try:
            made = self._ask(Compress(data, brotli_quality, gzip_level), Compressed, min(budget_s, self._budget_s))
        except _EndedError:
            return None
        return made.brotli, made.gzip

    def close(self) -> None:
        """End the worker, if there is one; the next request starts another."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()

    def _ask(self, request: Request, kind: type[AnswerT], budget_s: float) -> AnswerT:
        if self._in_transaction():
            message = "publishers' data must not be evaluated inside a transaction"
            raise RuntimeError(message)
        with self._lock:
            process, connection = self._ready()
            until_s = time.monotonic() + budget_s
            try:
                _limit_cpu_time(process.pid)
                messages.send(connection, request, until_s)
                answer = ANSWERS.decode(messages.receive(connection, until_s))
                if not isinstance(answer, kind):
                    message = f"the worker answered with {type(answer).__name__}"
                    raise ValueError(message)
            except messages.TooLargeError as error:
                raise _TooLargeError(str(error)) from None
            except (EOFError, OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
                # OSError includes the TimeoutError of an exceeded budget.
                self.close()
                logger("registry").warning(
                    "evaluation ended", extra={"request": type(request).__name__, "reason": type(error).__name__}
                )
                raise _EndedError(str(error)) from None
            except BaseException:
                self.close()  # its answer would be taken for that of the next request
                raise
        return answer

    def _ready(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Return a running worker and the connection to it. A worker is started if needed."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is not None and self._connection is not None:
            return self._process, self._connection
        ours, theirs = socket.socketpair()
        self._connection = ours
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - the platform's own interpreter and code
                [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, *_import_folders(), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=loader_environment(),
                cwd="/",
                pass_fds=(theirs.fileno(),),
            )
        try:
            started = ANSWERS.decode(messages.receive(ours, time.monotonic() + _START_TIMEOUT_S))
            if not isinstance(started, Ready):
                message = f"the worker began with {type(started).__name__}"
                raise ValueError(message)
        except (EOFError, OSError, ValueError) as error:
            status = _exit_status(self._process)
            self.close()
            reason = "not confined" if status == NOT_CONFINED_EXIT_STATUS else type(error).__name__
            logger("registry").error("evaluation worker cannot start", extra={"reason": reason})
            raise PlatformError(
                "policy_unavailable", "The extension's data cannot be checked at the moment; try again.", cause=error
            ) from error
        return self._process, ours


def _unchecked(cause: Exception | None) -> PlatformError:
    detail = "The data of the events cannot be checked at the moment; try again, with fewer events if it fails again."
    return PlatformError("policy_unavailable", detail, cause=cause)


def _exit_status(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status of a process that has closed its connection, or None when it does not end."""
    try:
        return process.wait(_EXIT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None


def _limit_cpu_time(process_id: int) -> None:
    """Let the kernel end a process when it uses more than ``_CPU_S`` seconds of CPU time from now on.

    The worker cannot do this itself: its system call filter does not allow it to change its limits.
    """
    used_s = time.clock_gettime(~process_id << 3 | _CPU_CLOCK)
    _, hard = resource.prlimit(process_id, resource.RLIMIT_CPU)
    limit = int(used_s) + 1 + _CPU_S
    resource.prlimit(
        process_id, resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _import_folders() -> list[str]:
    """Return the folders that this process imports from, except its working folder."""
    return [folder for folder in sys.path if Path(folder).is_absolute()]
