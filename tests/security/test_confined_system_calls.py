"""Every confined process is refused every system call of one table, with Landlock and without it."""

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from alga_ext.errors import PlatformError
from functions.registry.evaluation import evaluator
from functions.runner.preparing import compile_worker
from functions.runner.sandbox.protocol.messages import Failed
from functions.runner.sandboxes import child_process, process_start
from functions.runner.sandboxes.interpreter import interpreter
from tests.security.attacks import GREETING
from tests.security.syscall_attempts import ATTEMPTS, numbers
from tests.support.confined_programs import with_script
from tests.support.runner_fixture import RunnerFixture, call
from tests.support.wat import guest

# The platform runs on x86_64. The attempts make system calls by number; elsewhere the numbers mean other calls.
# The filter for aarch64 is compared with libseccomp's numbers in tests/unit/alga_ext/confinement.
pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="attempts system calls by their numbers on x86_64, where the platform runs"
)

_WITHOUT_LANDLOCK: Final = """
from alga_ext.confinement import landlock
def restrict(*_): raise OSError(38, "Function not implemented")
landlock.restrict = restrict
"""

_TOLD: Final = """
def told(descriptor):
    numbers = NUMBERS
    found = attempts(numbers, descriptor)
    wrong = {name: what for name, what in found.items() if what != "refused"}
    number = numbers["named"]["mmap"]
    memory = {"uncounted": uncounted(number, LIMIT), "reserved": reserved(number)}
    return {"attempts": len(found), "wrong": wrong, **memory}
"""

_CHILD: Final = """
import sys; sys.path[:0] = sys.argv[1:-1]
import json
from functions.runner.sandbox.child import guest, main as child
from functions.runner.sandbox.protocol.messages import Failed, Figures
{landlock}{attempts}{told}
def serve(self, message):
    self._program(message.artifact)  # as the real one does before the guest runs: it loads, then seals the process
    self._channel.send(Failed("guest_trapped", json.dumps(told(self._channel.descriptor)), Figures()))
guest.Sandbox.serve = serve
child.main()
"""

_WORKER: Final = """
import sys; sys.path[:0] = sys.argv[1:-6]
import json
from functions.runner.sandbox.compiler import main as compiler
{landlock}{attempts}{told}
def look(source, target):
    text = json.dumps(told(target))
    return {{"reasons": [], "imports": [], "exports": [text[at : at + 200] for at in range(0, len(text), 200)]}}
compiler._compile = look
compiler.main()
"""

_EVALUATOR: Final = """
import sys; sys.path[:0] = sys.argv[1:-1]
import json
from functions.registry.evaluation import worker
{landlock}{attempts}{told}
worker._FIRST_USES = ()
worker.answer = lambda _: worker.Compressed(json.dumps(told(int(sys.argv[-1]))).encode(), b"")
worker.main()
"""


def _script(template: str, limit_bytes: int, *, landlock: bool) -> str:
    told = _TOLD.replace("NUMBERS", repr(numbers())).replace("LIMIT", str(limit_bytes))
    return template.format(landlock="" if landlock else _WITHOUT_LANDLOCK, attempts=ATTEMPTS, told=told)


def _command(script: str) -> Callable[..., list[str]]:
    def command(module: str, *arguments: str) -> list[str]:
        start = interpreter(module, *arguments)
        return with_script(start, script)

    return command


def _of_a_child(folder: Path, patch: pytest.MonkeyPatch, *, landlock: bool) -> dict[str, Any]:
    house = RunnerFixture(folder)
    greeting = house.publish(GREETING)
    stories: list[str] = []
    real = child_process.Child.run

    def run(self: Any, message: Any, host: Any) -> Any:
        found = real(self, message, host)
        assert isinstance(found, Failed), found
        stories.append(found.message)
        return found

    patch.setattr(child_process.Child, "run", run)
    patch.setattr(process_start, "interpreter", _command(_script(_CHILD, 512 << 20, landlock=landlock)))
    house.execute(call(greeting, timeout_ms=10_000))
    house.close()
    document: dict[str, Any] = json.loads(stories[0])
    return document


def _of_a_worker(folder: Path, patch: pytest.MonkeyPatch, *, landlock: bool) -> dict[str, Any]:
    house = RunnerFixture(folder)
    patch.setattr(compile_worker, "interpreter", _command(_script(_WORKER, 3_072 << 20, landlock=landlock)))
    exports = house.prepared(guest("(unreachable)")).exports
    house.close()
    document: dict[str, Any] = json.loads("".join(exports))
    return document


def _of_an_evaluator(_: Path, patch: pytest.MonkeyPatch, *, landlock: bool) -> dict[str, Any]:
    patch.setattr(evaluator, "_BOOTSTRAP", _script(_EVALUATOR, 512 << 20, landlock=landlock))
    asked = evaluator.Evaluator(lambda: False)
    made = asked.compress(b"", 1, 1, 10)
    asked.close()
    assert made is not None
    document: dict[str, Any] = json.loads(made[0])
    return document


PROCESSES: Final = {"sandbox": _of_a_child, "compile worker": _of_a_worker, "evaluation worker": _of_an_evaluator}


@pytest.fixture(scope="module", params=[(name, landlock) for name in PROCESSES for landlock in (True, False)], ids=str)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a confined process says about its attempts."""
    name, landlock = request.param
    with pytest.MonkeyPatch.context() as patch:
        return PROCESSES[name](tmp_path_factory.mktemp("house"), patch, landlock=landlock)


def test_every_system_call_of_the_table_is_refused(told: dict[str, Any]) -> None:
    assert told["wrong"] == {}
    assert told["attempts"] > 1_500


def test_no_mapping_gets_more_memory_than_the_limit_counts(told: dict[str, Any]) -> None:
    assert told["uncounted"] == 0


def test_address_space_is_limited_because_page_tables_are_not_counted(told: dict[str, Any]) -> None:
    assert told["reserved"] < 64 << 30


_BROKEN_STEPS: Final = {
    "seccomp": "from alga_ext.confinement import syscalls as m; name = 'install'",
    "resource_limits": "from alga_ext.confinement import confine as m; name = '_limit_resources'",
    "no_new_privileges": "from alga_ext.confinement import confine as m; name = '_prctl'",
}
_BREAK: Final = """
def refused(*_, **__): raise OSError(1, "Operation not permitted")
setattr(m, name, refused)
"""


@pytest.mark.parametrize("step", sorted(_BROKEN_STEPS))
def test_an_evaluation_worker_that_cannot_be_confined_evaluates_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    """The publisher is not blamed for it: the request can be repeated. The log says why."""
    script = f"""
import sys; sys.path[:0] = sys.argv[1:-1]
from functions.registry.evaluation import worker
{_BROKEN_STEPS[step]}
{_BREAK}
worker.main()
"""
    monkeypatch.setattr(evaluator, "_BOOTSTRAP", script)
    asked = evaluator.Evaluator(lambda: False)
    for evaluation in (
        lambda: asked.check_schema({}),
        lambda: asked.first_fault({}, {}),
        lambda: asked.compress(b"", 1, 1, 10),
    ):
        with pytest.raises(PlatformError, match="policy_unavailable"):
            evaluation()
    assert [vars(record)["reason"] for record in caplog.records] == ["not confined"] * 3


@pytest.mark.parametrize("step", sorted(_BROKEN_STEPS))
def test_a_compile_worker_that_cannot_be_confined_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The version is not rejected for it: the message is delivered again."""
    script = f"""
import sys; sys.path[:0] = sys.argv[1:-6]
from functions.runner.sandbox.compiler import main as compiler
{_BROKEN_STEPS[step]}
{_BREAK}
compiler._compile = None
compiler.main()
"""
    monkeypatch.setattr(compile_worker, "interpreter", _command(script))
    house = RunnerFixture(tmp_path / "house")
    with pytest.raises(PlatformError, match="runner_unavailable"):
        house.prepared(guest("(unreachable)"))
    assert house.outbox.sent == []
    house.close()
