"""Run guest calls inside the child: each gets a new store and instance, and nothing of it remains afterwards."""

import ctypes
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from wasmtime import Engine, WasmtimeError

from functions.runner.sandbox.child import codec, local_imports
from functions.runner.sandbox.child.arena import Arena
from functions.runner.sandbox.child.linker_imports import host_functions
from functions.runner.sandbox.child.linking import Linker, LinkError, Loaded, load
from functions.runner.sandbox.child.measure import Meter
from functions.runner.sandbox.child.ticker import Ticker
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.channel import FRAME_LIMIT_BYTES, Channel, Malformed
from functions.runner.sandbox.protocol.messages import (
    TO_CHILD,
    Done,
    Failed,
    Figures,
    HostAnswer,
    HostCall,
    LogLine,
    Metric,
    Program,
    Refused,
    Run,
    RunLimits,
    Warm,
)
from functions.runner.sandbox.protocol.refusals import REFUSALS
from functions.runner.sandbox.protocol.verdict import Verdict, judge, out_of_memory
from functions.runner.sandbox.protocol.world import EXECUTE_REQUEST, EXECUTE_RESPONSE, PACKED_EXPORT

TABLE_ELEMENTS_LIMIT: Final = 200_000
INSTANCES_LIMIT: Final = 100
TABLES_LIMIT: Final = 20
MEMORIES_LIMIT: Final = 10
_LOGGING: Final = "cap:log.emit"
REFUSALS_REPORTED_LIMIT: Final = 20
"""How many refused host imports of one call are reported to the parent. One that is repeated is reported once."""

_encode = msgspec.msgpack.Encoder().encode


class Sandbox:
    """Runs guests one after the other.

    Args:
        engine: the engine with the platform's settings.
        channel: the channel to the parent.
        meter: measures memory; it was opened before the confinement.
        seal: gives up what only loading needs. It is called once, after the program was loaded and before it runs.
    """

    def __init__(self, engine: Engine, channel: Channel, meter: Meter, seal: Callable[[], None]) -> None:
        self._engine = engine
        self._channel = channel
        self._meter = meter
        self._ticker = Ticker(engine, self._is_over_memory_limit)
        self._memory_watch: _MemoryWatch | None = None
        self._functions = host_functions(self)
        callbacks = {name: function.callback for name, function in self._functions.items()}
        self._linker = Linker(engine, callbacks)
        self._loaded: Loaded | None = None
        self._seal = seal
        self._engine_pointer = abi.pointer_of(engine)
        self._lower = codec.lowering(EXECUTE_REQUEST)
        self._lift = codec.lifting(EXECUTE_RESPONSE)
        self._lower_packed = codec.lowering(PACKED_EXPORT.params[0])
        self._lift_packed = codec.lifting(PACKED_EXPORT.result or EXECUTE_RESPONSE)
        self._arena = Arena()
        self._stdout = abi.OUTPUT_CALLBACK(self._output("stdout"))
        self._stderr = abi.OUTPUT_CALLBACK(self._output("stderr"))
        self._log = local_imports.Log(self)
        self._providers: frozenset[str] = frozenset()
        self._counts: dict[str, int] = {}
        self._last_refused = ""
        self._refusals_reported = 0
        self._instance = (ctypes.c_uint64 * 2)()
        self._function = (ctypes.c_uint64 * 4)()
        self._result = (ctypes.c_uint64 * 4)()
        self.run: Run

    def serve(self, message: Run | Warm) -> None:
        """Serve one message and answer it with exactly one ``Done`` or ``Failed``."""
        call = _Call(self._meter)
        try:
            loaded = self._program(message.artifact)
        except (LinkError, WasmtimeError) as error:
            self._channel.send(
                Failed(
                    "artifact_integrity",
                    "The compiled program cannot be loaded by this runner's engine.",
                    Figures(),
                    str(error),
                )
            )
            return
        self._begin(message)
        self._ticker.arm(message.limits.deadline_ns)
        store = abi.store_new(self._engine_pointer, None, None)
        try:
            self._answer(self._attempt(call, loaded, store, message))
        finally:
            # The answer has been sent already, so the caller does not wait for this cleanup.
            self._ticker.disarm()
            self._memory_watch = None
            abi.store_delete(store)
            self._arena.reset()
            self._end()

    def _program(self, artifact: Program) -> Loaded:
        """Return the loaded program. The first call loads it, and seals this process.

        Raises:
            LinkError: the component does not export ``handler``, or another program was loaded before.
            wasmtime.WasmtimeError: the file is not an artifact of this engine.
            OSError: the process cannot be sealed. It must end.
        """
        if self._loaded is None:
            loaded = load(self._engine, self._linker, artifact)
            self._seal()
            self._loaded = loaded
        if self._loaded.key != artifact.key:
            message = "a sandbox runs one program only"
            raise LinkError(message)
        return self._loaded

    def host_call(self, name: str, arguments: list[Any]) -> Any:
        """See ``linker_imports.Session.host_call``."""
        self._counts[name] = self._counts.get(name, 0) + 1
        refusal = REFUSALS[name]
        if refusal.capability not in self._providers:
            if refusal.capability != _LOGGING:  # no log line is written because one is dropped
                self._report_refused(name)
            if refusal.traps:
                message = f"{name} needs the capability {refusal.capability}"
                raise local_imports.Trap(message)
            return refusal.answer
        interface, _, function = name.partition(".")
        match interface:
            case "context":
                return self.run.context
            case "logging":
                return self._log.line(function.removeprefix("log-"), "guest", arguments[0])
            case "config":
                config = self.run.config
                return config.get(arguments[0]) if function == "get" else sorted(config)
            case "user":
                return local_imports.user_v1(self.run)
            case "user-v2":
                return local_imports.user_v2(self.run)
            case "metrics":
                return self._metric(arguments)
            case _:
                return self._ask(name, arguments)

    def fault(self, name: str, error: BaseException) -> None:
        """See ``linker_imports.Session.fault``."""
        self._channel.send(LogLine("error", "sandbox", f"host import {name} failed: {error!r}"))

    def emit(self, message: LogLine | Metric) -> None:
        """See ``local_imports.GuestCall.emit``."""
        self._channel.send(message)

    # --- the call ---

    def _answer(self, found: Done | Failed) -> None:
        """Send the result of the call. A response whose headers exceed the frame limit is ``response_too_large``."""
        try:
            self._channel.send(found)
        except Malformed as error:
            text = f"The extension's response is too large for the sandbox: {error}."
            self._channel.send(Failed("response_too_large", text, found.figures))

    def _attempt(self, call: "_Call", loaded: Loaded, store: int, message: Run | Warm) -> Done | Failed:
        """Instantiate the component and call it. Every outcome of the guest is returned, none is raised."""
        limits = message.limits
        context = abi.store_context(store)
        try:
            request = self._lower_request(message, loaded) if isinstance(message, Run) else 0
            call.writable_bytes = self._meter.writable_bytes()
            self._memory_watch = _MemoryWatch(
                self._meter, call.writable_bytes, limits.memory_bytes, int(loaded.is_packed)
            )
            self._prepare_store(store, context, limits)
            instance = ctypes.addressof(self._instance)
            abi.check(abi.instantiate(loaded.linker_pointer, context, loaded.component_pointer, instance))
            if isinstance(message, Warm):
                return Done(204, [], None, self._figures(call, context, limits))
            return self._call(call, loaded, context, request, limits)
        except abi.Failure as failure:
            verdict = judge(
                failure.text,
                failure.exit_status,
                past_deadline=time.monotonic_ns() >= limits.deadline_ns,
                memory_bytes=self._meter.writable_bytes() - call.writable_bytes,
                limit_bytes=limits.memory_bytes,
                beyond_memory=self._is_over_memory_limit(),
            )
        except MemoryError:
            text = "The extension's request or response needs more memory than the sandbox has."
            verdict = Verdict("guest_out_of_memory", text)
        except codec.CodecError as error:
            verdict = Verdict("guest_trapped", f"The extension trapped: {error}.")
        self._log.flush()
        return Failed(verdict.code, verdict.message, self._figures(call, context, limits))

    def _prepare_store(self, store: int, context: int, limits: RunLimits) -> None:
        abi.store_limiter(
            store, limits.memory_bytes, TABLE_ELEMENTS_LIMIT, INSTANCES_LIMIT, TABLES_LIMIT, MEMORIES_LIMIT
        )
        abi.set_epoch_deadline(context, self._ticker.ticks_until(limits.deadline_ns))
        abi.check(abi.set_fuel(context, limits.fuel))
        wasi = abi.wasi_new()
        abi.wasi_stdout(wasi, self._stdout, None, abi.NO_FINALIZER)
        abi.wasi_stderr(wasi, self._stderr, None, abi.NO_FINALIZER)
        abi.check(abi.set_wasi(context, wasi))

    def _lower_request(self, run: Run, loaded: Loaded) -> int:
        """Lower the request into the arena and return the address of the value."""
        request = run.request
        arena = self._arena
        at = arena.take(codec.VALUE_BYTES)
        part, address = arena.buffer, arena.base + at
        if loaded.is_packed:
            has_body, body = request.body is not None, request.body or b""
            value = (run.context, request.method, request.url, request.headers, has_body, body, len(body))
            self._lower_packed(value, arena, part, at)
        else:
            whole = (run.context, (request.method, request.url, request.headers, request.body))
            self._lower(whole, arena, part, at)
        return address

    def _lift_response(self, loaded: Loaded) -> tuple[int, Any, bytes | None, int]:
        """Return status, headers, body and the body's size, read from the result.

        The adapter of a packed component does not pass a body of more than 8 MiB, which is over any limit; it passes
        only its size.
        """
        raw = bytes(self._result)
        if not loaded.is_packed:
            status, headers, body = self._lift(raw, 0)
            return status, headers, body, len(body or b"")
        status, headers, has_body, words, size = self._lift_packed(raw, 0)
        return status, headers, words[:size] if has_body else None, size if has_body else 0

    def _call(self, call: "_Call", loaded: Loaded, context: int, request: int, limits: RunLimits) -> Done | Failed:
        instance, function = ctypes.addressof(self._instance), ctypes.addressof(self._function)
        if not abi.instance_function(instance, context, loaded.export_pointer, function):
            return Failed("artifact_integrity", "The compiled program does not export a handler.", Figures())
        result = ctypes.addressof(self._result)
        abi.check(abi.call(function, context, request, 1, result, 1))
        if self._is_over_memory_limit():
            abi.value_delete(result)
            verdict = out_of_memory(limits.memory_bytes)
            return Failed(verdict.code, verdict.message, self._figures(call, context, limits))
        try:
            status, headers, body, size = self._lift_response(loaded)
        finally:
            abi.value_delete(result)
        self._log.flush()
        figures = self._figures(call, context, limits)
        if size > limits.response_bytes:
            text = f"The extension's response body has {size} bytes; at most {limits.response_bytes} are allowed."
            return Failed("response_too_large", text, figures)
        return Done(status, headers, body, figures)

    def _figures(self, call: "_Call", context: int, limits: RunLimits) -> Figures:
        left = ctypes.c_uint64(0)
        abi.check(abi.get_fuel(context, ctypes.addressof(left)))
        return Figures(
            cpu_ns=time.thread_time_ns() - call.cpu_ns,
            memory_peak_bytes=max(0, self._meter.peak_bytes() - call.resident_bytes),
            fuel=limits.fuel - left.value,
            process_cpu_ns=time.process_time_ns(),
            host_calls=self._counts,
        )

    # --- around the call ---

    def _is_over_memory_limit(self) -> bool:
        """Tell whether the guest's linear memories together are over the limit. The ticker calls this too."""
        watch = self._memory_watch
        return watch is not None and watch.is_over_limit()

    def _begin(self, message: Run | Warm) -> None:
        self._counts = {}
        self._last_refused = ""
        self._refusals_reported = 0
        self._log = local_imports.Log(self)
        if isinstance(message, Run):
            self.run = message
            self._providers = frozenset(message.providers)
        else:
            self._providers = frozenset()

    def _end(self) -> None:
        """Delete everything of the tenant that this process still holds."""
        self._counts = {}
        self._providers = frozenset()
        self._log = local_imports.Log(self)
        if hasattr(self, "run"):
            del self.run

    def _output(self, source: str) -> Any:
        def write(_data: int, address: int, size: int) -> int:
            # No exception may pass into the engine.
            try:
                self._log.output(source, ctypes.string_at(address, size))
            except BaseException:  # noqa: BLE001 - see above
                return -5  # EIO
            return size

        return write

    def _metric(self, arguments: list[Any]) -> None:
        if self._counts["metrics.emit"] > local_imports.METRICS_LIMIT:
            return
        found = local_imports.metric(*arguments)
        if found is not None:
            self.emit(found)

    def _report_refused(self, name: str) -> None:
        if name != self._last_refused and self._refusals_reported < REFUSALS_REPORTED_LIMIT:
            self._last_refused = name
            self._refusals_reported += 1
            self._channel.send(Refused(name))

    def _ask(self, name: str, arguments: list[Any]) -> Any:
        """Let the parent answer a host import.

        Raises:
            Trap: the arguments are too large, the parent ends the guest, or the answer came after the deadline.
        """
        try:
            self._last_refused = ""  # the parent may refuse this one, so the next refusal here is news again
            self._channel.send(HostCall(name, msgspec.Raw(_encode(arguments))))
        except Malformed:
            message = f"the arguments of {name} are larger than the {FRAME_LIMIT_BYTES} bytes that are allowed"
            raise local_imports.Trap(message) from None
        answer = TO_CHILD.decode(self._channel.receive())
        if not isinstance(answer, HostAnswer):
            raise Malformed("expected the message HostAnswer")
        if answer.trap is not None:
            raise local_imports.Trap(answer.trap)
        if time.monotonic_ns() >= self.run.limits.deadline_ns:
            # The engine checks the deadline only at intervals, so an answer that came too late ends the guest here.
            message = f"{name} did not finish before the call's deadline"
            raise local_imports.Trap(message)
        return answer.value


class _MemoryWatch:
    """Watches the total size of a guest's linear memories. The engine only limits each memory separately.

    Args:
        meter: reads this process's memory.
        baseline_bytes: private writable memory before the guest was instantiated.
        limit_bytes: limit of all memories of the guest together.
        adapters: how many of the memories belong to the platform's adapter. The smallest ones are taken to be these.
    """

    def __init__(self, meter: Meter, baseline_bytes: int, limit_bytes: int, adapters: int) -> None:
        self._meter = meter
        self._baseline_bytes = baseline_bytes
        self._limit_bytes = limit_bytes
        self._adapters = adapters
        self._seen_bytes = 0
        self._is_over = False

    def is_over_limit(self) -> bool:
        """Tell whether the memories are over the limit. Once they were, the result stays True.

        The total of all writable memory is cheap to read, and never less than the sum of the linear memories. The
        linear memories are read only when that total has grown beyond the limit. A single memory is limited exactly by
        the engine.
        """
        used_bytes = self._meter.writable_bytes() - self._baseline_bytes
        if self._is_over or used_bytes <= max(self._limit_bytes, self._seen_bytes):
            return self._is_over
        self._seen_bytes = used_bytes
        sizes = sorted(self._meter.linear_memories())[self._adapters :]
        self._is_over = len(sizes) > 1 and sum(sizes) > self._limit_bytes
        return self._is_over


class _Call:
    """The measurements at the start of a call."""

    __slots__ = ("cpu_ns", "resident_bytes", "writable_bytes")

    def __init__(self, meter: Meter) -> None:
        self.cpu_ns = time.thread_time_ns()
        self.resident_bytes = meter.reset_peak()
        self.writable_bytes = 0
