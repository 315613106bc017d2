"""A guest that calls what this platform does not offer: its errors, the log, and the message of a trap."""

from pathlib import Path

from alga_ext.calls.log_lines import unpack
from functions.runner.imports.application import records, ui_proxy
from tests.support import wat
from tests.support.runner_fixture import RunnerFixture, call, code_of

TRAPPING = wat.guest(
    """(call $clients.get-client (i32.const 2100) (i32.const 1) (i32.const 4096)) unreachable""",
    imports=["clients.get-client"],
    data='(data (i32.const 2100) "c")',
)


def test_the_message_of_a_trap_says_which_service_the_platform_does_not_offer(tmp_path: Path) -> None:
    house = RunnerFixture(tmp_path, {"clients": records.provider(None), "ui-proxy": ui_proxy.provider(None)})
    try:
        answer = house.execute(call(house.publish(TRAPPING)))
        assert code_of(answer) == "guest_trapped"
        assert answer.error is not None
        assert answer.error.message.endswith("This platform offers no client service.")
        (line,) = unpack(answer.logs_b64z).first
        assert (line.source, line.text[:40]) == ("platform", "this platform offers no client service")
        without = house.execute(call(house.publish(TRAPPING), providers=("cap:log.emit",)))
        assert without.error is not None
        assert "offers no" not in without.error.message
    finally:
        house.close()
