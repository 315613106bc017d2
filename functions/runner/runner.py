"""Route the runner's requests, and serve a call: authorise it, find the program, run it, answer.

An invalid or unauthorised envelope is refused with a ``PlatformError``, which becomes a problem document with its own
status. Once a call is authorised, the HTTP status is 200 whatever the guest did: the response envelope contains the
outcome. Faults of the platform and providers that do not exist are still refused (``Runner.execute``).
"""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from alga_ext.calls import capabilities
from alga_ext.calls.envelope import EXECUTE_PATH, ExecuteResponse, Usage, decode_request
from alga_ext.calls.execution_token import RUNNABLE_STATES, verify_execution_token
from alga_ext.calls.operator_token import verify_operator_token
from alga_ext.edge.health import Health
from alga_ext.edge.http import Request, bearer_token, json_response
from alga_ext.edge.key_report import report_overdue
from alga_ext.edge.rim import Rim
from alga_ext.errors import PlatformError
from alga_ext.ids import parse_content_hash, sha256_hex
from alga_ext.platform_metrics import SANDBOX_KILLS
from alga_ext.telemetry import emit, logger
from alga_ext.trust.key_ages import warnings
from functions.runner import envelope, health, outcome
from functions.runner.artifacts import Obtained
from functions.runner.http_answer import http_answer
from functions.runner.invocation import Invocation
from functions.runner.limits import effective
from functions.runner.replay import UsedTokens
from functions.runner.sandbox.protocol.channel import Malformed
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, HostAnswer, RunLimits, Warm
from functions.runner.sandbox.protocol.verdict import Verdict
from functions.runner.sandboxes.child_process import CallHandlers, Child, signal_name
from functions.runner.services import Services, now

WARMUP_PATH: Final = "/warmup"
HEALTH_PATH: Final = "/healthz"
_CAUSE_LIMIT: Final = 2_000
_PROGRAM_CODES: Final = frozenset({"artifact_not_found", "artifact_integrity"})
"""Error codes for a program that cannot be used. They are the outcome of the call, returned in the response envelope.
All other errors while obtaining a program are faults of the platform."""


class Runner:
    """Answers the gateway's calls, health checks and warm-up requests.

    Args:
        services: settings and clients.
        used_tokens: the tokens that this process has already accepted, when this value replaces another one.
    """

    def __init__(self, services: Services, used_tokens: UsedTokens | None = None) -> None:
        self._services = services
        self._rim = Rim("runner")
        self._health = Health(health.checks(services), time.monotonic, lambda: warnings(services.keys, now()))
        report_overdue("runner", services.keys, now())
        self.trust = services.trust
        self.used_tokens = UsedTokens() if used_tokens is None else used_tokens
        self._used_lock = threading.Lock()

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one API Gateway v2 event. Errors become problem documents."""
        return self._rim.answer(event, self._route)

    def close(self) -> None:
        """End the sandboxes, delete the programs on disk, and close the connection to the database."""
        self._services.close()

    def _route(self, request: Request) -> dict[str, Any]:
        match (request.method, request.path):
            case ("POST", path) if path == EXECUTE_PATH:
                self._check_switched_on()
                return http_answer(self.execute(request), request.request_id)
            case ("GET", path) if path == HEALTH_PATH:
                return self._health.answer(detailed=self._is_operator(request))
            case ("POST", path) if path == WARMUP_PATH:
                self._check_operator(request)
                self._check_switched_on()
                return json_response(200, self.warm(_asked_bundle(request)))
            case (_, path) if path in (EXECUTE_PATH, HEALTH_PATH, WARMUP_PATH):
                allowed = "GET" if path == HEALTH_PATH else "POST"
                detail = f"{request.path} does not accept this method; use {allowed}."
                raise PlatformError("method_not_allowed", detail, allow=[allowed])
            case _:
                raise PlatformError(
                    "not_found",
                    f"There is no such path; the runner serves {EXECUTE_PATH}, {WARMUP_PATH}, {HEALTH_PATH}.",
                )

    def _check_switched_on(self) -> None:
        if not self._services.settings.extensions_enabled:
            raise PlatformError(
                "extensions_disabled", "Extensions are switched off on this platform; its operator can switch them on."
            )

    def _is_operator(self, request: Request) -> bool:
        """Tell whether the request has a valid operator token.

        Raises:
            PlatformError: ``unauthorized`` when there is an authorization header whose token does not verify.
        """
        if "authorization" not in request.headers:
            return False
        self._check_operator(request)
        return True

    def _check_operator(self, request: Request) -> None:
        """Check that the request has a valid operator token.

        Raises:
            PlatformError: ``unauthorized`` when it has none.
        """
        verify_operator_token(self._services.gateway_keys, _bearer(request), now_s=int(self._services.now_s()))

    def execute(self, http: Request) -> ExecuteResponse:
        """Serve ``POST /v1/execute``.

        1. Check that the execution token is for exactly these bytes. Nothing is decoded before that.
        2. Check that the envelope is well-formed, and that the token is for its call and was not used before.
        3. Check that every provider is a known capability.
        4. Check that the token says that the version may run, and obtain the verified program.
        5. Run the guest, and check its response.

        Raises:
            PlatformError: ``invalid_request``, ``unauthorized``, ``unknown_capabilities``, ``runner_unavailable``.
        """
        now_s = int(self._services.now_s())
        authorised = verify_execution_token(self._services.gateway_keys, _bearer(http), http.body, now_s=now_s)  # (1)
        request = decode_request(http.body)  # (2)
        bundle_sha256 = _bundle_sha256(request.context.content_hash)
        authorised.require(request)
        self._use_up(authorised.token_id, now_s)
        providers = _known(request.providers)  # (3)
        limits = effective(request.limits, self._services.maxima)
        invocation = Invocation(request, envelope.guest_request(request.http), providers, limits)
        started_ns = time.monotonic_ns()
        try:
            _check_runnable(authorised.version_state)  # (4)
            with self._services.artifacts.lend(bundle_sha256) as program:
                answer = self._call(invocation, bundle_sha256, program)  # (5)
                answer.program_fetched = program.fresh
                return answer
        except PlatformError as error:
            if error.code not in _PROGRAM_CODES:
                raise _unavailable(error) from error
            logger("runner").warning(
                error.detail, extra={"code": error.code, "context": str(error.context), **invocation.ids}
            )
            usage = Usage(duration_ms=_since_ms(started_ns))
            return outcome.failed(Verdict(error.code, error.detail), usage, invocation.trace_id)

    def warm(self, bundle_sha256: str) -> dict[str, Any]:
        """Fetch a program, and try in a sandbox of its own whether it can be loaded and instantiated.

        The sandbox is ended afterwards, because the program has run code in it (its start functions). What remains is
        the verified file.

        Returns:
            ``ready``, ``artifact_bytes``, ``duration_ms`` and, when the program failed, ``error`` (code and message).

        Raises:
            PlatformError: ``artifact_not_found``, ``artifact_integrity``, ``runner_unavailable``.
        """
        try:
            with self._services.artifacts.lend(bundle_sha256) as program:
                return self._warm(bundle_sha256, program)
        except PlatformError as error:
            if error.code in _PROGRAM_CODES:
                raise
            raise _unavailable(error) from error

    def _warm(self, bundle_sha256: str, program: Obtained) -> dict[str, Any]:
        maxima = self._services.maxima
        found: Done | Failed
        try:
            with self._services.pool.throwaway(time.monotonic_ns() + maxima.timeout_ms * 1_000_000) as child:
                program = self._rechecked(child, bundle_sha256, program)
                started_ns = time.monotonic_ns()
                deadline_ns = started_ns + maxima.timeout_ms * 1_000_000
                limits = RunLimits(deadline_ns, maxima.memory_mb << 20, maxima.fuel, 0)
                found = child.run(Warm(program.artifact, limits), _NO_HOST_IMPORTS)
        except Ended as ended:
            _log_ended(ended, {})
            found = outcome.of_ended(ended, maxima.memory_mb << 20)
        self._services.pool.answered()
        document: dict[str, Any] = {
            "ready": isinstance(found, Done),
            "artifact_bytes": program.artifact.size_bytes,
            "duration_ms": _since_ms(started_ns),
        }
        if isinstance(found, Failed):
            _log_cause(found, found.cause, {})
            document["error"] = {"code": found.code, "message": found.message}
        return document

    def _use_up(self, token_id: str, now_s: int) -> None:
        with self._used_lock:
            self.used_tokens.use(token_id, now_s)

    def _call(self, invocation: Invocation, bundle_sha256: str, program: Obtained) -> ExecuteResponse:
        try:
            try:
                with self._services.pool.child(
                    invocation.sandbox_key, program.artifact.key, invocation.deadline_ns
                ) as (child, waited_ns):
                    program = self._rechecked(child, bundle_sha256, program)
                    services = self._services
                    host = invocation.begin(services.providers, services.unsealer, services.now_s, waited_ns)
                    found = child.run(invocation.message(program.artifact), host)
            except Malformed as error:  # nothing was sent, so the sandbox can still be used
                raise PlatformError("invalid_request", f"The request is too large for the sandbox: {error}.") from error
            except Ended as ended:
                _log_ended(ended, invocation.ids)
                found = invocation.of_ended(ended)
            if isinstance(found, Failed):
                _log_cause(found, invocation.scrub(found.cause), invocation.ids)
            answer = invocation.answer(found)
        finally:
            invocation.close()
        self._services.pool.answered()
        return answer

    def _rechecked(self, child: Child, bundle_sha256: str, program: Obtained) -> Obtained:
        """Return a program that this sandbox may load.

        A program that the sandbox has already loaded is returned as it is. Any other file is hashed again, unless this
        call has just fetched it. A file that was deleted while the call waited for its sandbox is fetched again.

        Raises:
            PlatformError: see ``ArtifactCache.obtain`` and ``ArtifactCache.recheck``.
        """
        if program.artifact.key == child.program_key:
            return program
        if not self._services.artifacts.is_here(program.artifact):
            return self._services.artifacts.obtain(bundle_sha256)
        if not program.fresh:
            self._services.artifacts.recheck(program.artifact)
        return program


def _log_ended(ended: Ended, ids: Mapping[str, str]) -> None:
    emit("runner", {SANDBOX_KILLS: 1})
    extra = {"reason": ended.reason, "signal": signal_name(ended.signal_number), "timed_out": ended.timed_out, **ids}
    logger("runner").warning("a sandbox ended during a call", extra=extra)


def _log_cause(failed: Failed, cause: str, ids: Mapping[str, str]) -> None:
    """Log why a program failed. ``cause`` comes from the child, which may have put secrets of the call into it."""
    if cause:
        extra = {"code": failed.code, "cause": cause[:_CAUSE_LIMIT], **ids}
        logger("runner").error("a program failed in its sandbox", extra=extra)


def _refuse_all(_call: Any) -> HostAnswer:
    return HostAnswer(trap="host imports are not available during a warm-up")


_NO_HOST_IMPORTS: Final = CallHandlers(_refuse_all, lambda _line: None, lambda _metric: None, lambda _name: None)


def _bearer(http: Request) -> str:
    token = bearer_token(http.headers.get("authorization"))
    if not token:
        raise PlatformError("unauthorized", "The token is missing; send it as 'authorization: Bearer …'.")
    return token


def _check_runnable(version_state: str) -> None:
    if version_state not in RUNNABLE_STATES:
        raise PlatformError(
            "artifact_not_found",
            "This version was withdrawn and no longer runs; update the extension.",
            version_state=version_state,
        )


def _asked_bundle(request: Request) -> str:
    document = request.json()
    given = document.get("content_hash") if isinstance(document, dict) else None
    parsed = parse_content_hash(given) if isinstance(given, str) else None
    if parsed is None:
        raise PlatformError("invalid_request", "content_hash must be 'sha256:' followed by 64 hexadecimal digits.")
    return sha256_hex(parsed)


def _bundle_sha256(content_hash: str) -> str:
    parsed = parse_content_hash(content_hash)
    if parsed is None:
        raise PlatformError(
            "invalid_request", "context.content_hash must be 'sha256:' followed by 64 hexadecimal digits."
        )
    return sha256_hex(parsed)


def _known(providers: Iterable[str]) -> frozenset[str]:
    names = frozenset(providers)
    if names <= capabilities.KNOWN:  # as the gateway sends them
        return names
    names = frozenset(map(capabilities.canonical, names))
    if not names <= capabilities.KNOWN:
        unknown = capabilities.unknown(names)
        raise PlatformError("unknown_capabilities", f"These providers do not exist: {', '.join(unknown)[:200]}.")
    return names


def _unavailable(error: PlatformError) -> PlatformError:
    if error.code in ("invalid_request", "runner_unavailable"):
        return error
    return PlatformError(
        "runner_unavailable", "Extensions cannot run at the moment; try again.", cause=error.code, **error.context
    )


def _since_ms(started_ns: int) -> float:
    return (time.monotonic_ns() - started_ns) / 1e6
