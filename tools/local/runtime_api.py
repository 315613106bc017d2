"""The Lambda Runtime API, and the process that uses it: one execution environment of a function.

Each process has its own server (so its own port), because the runtime client takes the API's address as host and port.
The states of a process: started → first `/next` (ready) → serves one invocation at a time → reaped, timed out, crashed
or stopped. A process that misses a deadline is killed with its whole group, as in Lambda.
"""

import asyncio
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.local.http_server import LOOPBACK, HttpRequest, HttpResponse, HttpServer, Limits, serve
from tools.local.lambda_types import (
    ACCOUNT_ID,
    INIT_TIMEOUT_S,
    PAYLOAD_BYTES_MAX,
    FunctionSpec,
    Outcome,
    failure,
)
from tools.local.processes import Child, start_module
from tools.local.state import ROOT
from topology.runtime import PYTHON_VERSION

PREFIX = "/2018-06-01/runtime"
# The runtime client also posts results above Lambda's limit; the server has to read them before it can refuse them.
RUNTIME_LIMITS = Limits(body_bytes=64 * 1024 * 1024)
ACCEPTED = HttpResponse(202, body=b'{"status":"OK"}')


@dataclass(slots=True)
class Invocation:
    """One event that a process handles; `outcome` is set exactly once."""

    payload: bytes
    tenant_id: str | None
    deadline_ms: int
    outcome: asyncio.Future[Outcome]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, outcome: Outcome) -> None:
        """Set the outcome unless a timeout or a crash already has."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


StartFunction = Callable[[FunctionSpec, str, Path, Path], Awaitable[Child]]
"""Starts a function's process, given its runtime API (host and port), its scratch folder and its log."""


async def start_from_checkout(spec: FunctionSpec, runtime_api: str, scratch: Path, log: Path) -> Child:
    """Run a function of this checkout under the runtime client, with this interpreter."""
    environment = lambda_environment(spec, runtime_api, scratch)
    return await start_module("awslambdaric", [spec.handler], environment=environment, folder=ROOT, log=log)


class RuntimeProcess:
    """A process that runs a function under the runtime client, and its runtime API.

    `on_idle` is called whenever the process asks for work, with True the first time. `on_end` is called once, with the
    failure of the initialisation, or None when the process had been ready.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        start: StartFunction,
        log: Path,
        scratch: Path,
        on_idle: Callable[["RuntimeProcess", bool], None],
        on_end: Callable[["RuntimeProcess", Outcome | None], None],
    ) -> None:
        self._spec = spec
        self._start = start
        self._log = log
        self._scratch = scratch
        self._on_idle = on_idle
        self._on_end = on_end
        self._work: asyncio.Queue[Invocation] = asyncio.Queue(1)
        self._current: Invocation | None = None
        self._server: HttpServer | None = None
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._init_error: Outcome | None = None
        self.ready = False
        self.idle_since = 0.0

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the server and the process; `on_idle` is called when the process is ready."""
        self._server = await serve(self._answer, limits=RUNTIME_LIMITS)
        self._scratch.mkdir(parents=True, mode=0o700)
        self._child = await self._start(self._spec, f"{LOOPBACK}:{self._server.port}", self._scratch, self._log)
        self._watch = asyncio.create_task(self._watch_process(self._child, self._server))

    async def invoke(self, payload: bytes, tenant_id: str | None) -> Outcome:
        """Run one invocation to its end: result, error, crash or timeout. A failure of the function never raises."""
        timeout_s = self._spec.timeout_s
        deadline_ms = int((time.time() + timeout_s) * 1000)
        invocation = Invocation(payload, tenant_id, deadline_ms, asyncio.get_running_loop().create_future())
        self._current = invocation
        self._work.put_nowait(invocation)
        try:
            return await asyncio.wait_for(asyncio.shield(invocation.outcome), timeout_s)
        except TimeoutError:
            outcome = failure(
                invocation.request_id, "Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds"
            )
            invocation.finish(outcome)
            self.kill()
            return outcome

    def kill(self) -> None:
        """Kill the process and everything that it started."""
        if self._child is not None:
            self._child.kill()

    async def stop(self) -> None:
        """Kill the process, and wait until it has ended and its port is closed."""
        self.kill()
        if self._watch is not None:
            await self._watch

    async def _watch_process(self, child: Child, server: HttpServer) -> None:
        status = asyncio.ensure_future(child.wait())
        await asyncio.wait([status], timeout=INIT_TIMEOUT_S)
        if not self.ready and not status.done():
            self._init_error = failure(
                "-", "Sandbox.Timedout", f"initialisation took longer than {INIT_TIMEOUT_S:.0f} s"
            )
            child.kill()
        code = await status
        child.kill()  # children that the function left in its group
        reason = f"Runtime exited with error: {'signal' if code < 0 else 'exit status'} {abs(code)}"
        if self._current is not None:
            self._current.finish(failure(self._current.request_id, "Runtime.ExitError", reason))
        await server.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._on_end(self, None if self.ready else self._init_error or failure("-", "Runtime.ExitError", reason))

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        match request.method, request.target.removeprefix(PREFIX).strip("/").split("/"):
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", request_id, ("response" | "error") as kind]:
                return self._finish(request_id, request.body, "Unhandled" if kind == "error" else None)
            case "POST", ["init", "error"]:
                self._init_error = Outcome(request.body, "Unhandled")
                return ACCEPTED
        return HttpResponse(404, body=b'{"errorType":"NotFound"}')

    async def _next(self) -> HttpResponse:
        self._current = None
        first, self.ready = not self.ready, True
        self.idle_since = time.monotonic()
        self._on_idle(self, first)
        invocation = await self._work.get()
        headers = [
            ("Content-Type", "application/json"),  # without it, the runtime client crashes with a segmentation fault
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", function_arn(self._spec)),
            ("Lambda-Runtime-Trace-Id", f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"),
        ]
        if invocation.tenant_id is not None:
            headers.append(("Lambda-Runtime-Aws-Tenant-Id", invocation.tenant_id))
        return HttpResponse(200, tuple(headers), invocation.payload)

    def _finish(self, request_id: str, body: bytes, error: str | None) -> HttpResponse:
        invocation = self._current
        if invocation is None or invocation.request_id != request_id:
            return HttpResponse(400, body=b'{"errorType":"InvalidRequestID"}')
        if len(body) > PAYLOAD_BYTES_MAX:
            message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES_MAX} bytes)."
            invocation.finish(failure(request_id, "Function.ResponseSizeTooLarge", message))
        else:
            invocation.finish(Outcome(body, error))
        return ACCEPTED


def function_arn(spec: FunctionSpec) -> str:
    """Return the ARN of a function in the local region and account."""
    region = spec.environment.get("AWS_REGION", "us-east-1")
    return f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{spec.name}"


def lambda_environment(spec: FunctionSpec, runtime_api: str, scratch: Path) -> dict[str, str]:
    """Return the whole environment of a function's process: Lambda's variables, then the function's own variables.

    Nothing is inherited from the shell that started the platform, so a function sees only what its configuration
    names, as in AWS. `scratch` is the process's own /tmp.
    """
    region = spec.environment.get("AWS_REGION", "us-east-1")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "_HANDLER": spec.handler,
        # Without it, the runtime client encodes answers differently. LAMBDA_TASK_ROOT is left out: with it, functions
        # refuse to show a developer what only a local platform may show.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{PYTHON_VERSION}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_DEFAULT_REGION": region,
        **spec.environment,
        **{name: str(scratch / folder) for name, folder in spec.private_folders.items()},
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }
