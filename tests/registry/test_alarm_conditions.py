"""Each alarm on our own metrics goes off by the lines that the code writes when its condition is true, and not before.

What CloudWatch does with a line is repeated here: it reads the values of each directive, and takes a statistic of those
with the alarm's namespace, name and dimensions.
"""

import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from alga_ext.calls.envelope import ExecuteResponse, Usage
from alga_ext.calls.messages import PrepareMessage
from alga_ext.edge.key_report import report_overdue
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import (
    CALLS_REFUSED,
    DEAD_DELIVERIES,
    DELIVERY_LAG,
    FANOUT_LAG,
    TICK_LAG,
    Metric,
)
from alga_ext.stores.database import Database
from alga_ext.telemetry import emit, log_failure
from alga_ext.trust.key_ages import PlatformKey
from functions.gateway import call_metrics
from functions.registry import sweeping
from functions.registry.events.receiving import count_refused
from functions.registry.publishing import withdrawn_list
from functions.registry.records import platform_keys
from functions.runner.preparing.preparation import Prepare
from functions.runner.provenance import Engine
from infra.own_alarms import NAMESPACE, OwnAlarm, own_alarms
from infra.stages import read_stage
from tests.infra.stacks import GIVEN
from tests.registry.test_platform_keys import put_signed
from tests.registry.test_recorder import finished, record
from tests.support.emitted import Sample, metric_lines, samples
from tests.support.published_ui import list_withdrawn
from tests.support.registry import RegistryWorld
from tests.unit.alga_ext.stores.test_signed_trust_source import Bucket
from tests.unit.uihost.test_withdrawn import ONE, _Host, _Store

STAGE = read_stage("dev", GIVEN)
ALARMS = {alarm.name: alarm for alarm in own_alarms(STAGE)}


class Log:
    """What functions have written, as CloudWatch sees it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        self._capsys, self._caplog = capsys, caplog

    def read(self) -> list[Sample]:
        """Return the values of the lines since the last call."""
        logged = [vars(record) for record in self._caplog.records if hasattr(record, "_aws")]
        # A line of the log is also printed; it is taken from one of the two.
        printed = [line for line in metric_lines(self._capsys.readouterr().out) if "level" not in line]
        self._caplog.clear()
        return list(itertools.chain.from_iterable(samples(line) for line in [*logged, *printed]))


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Log:
    return Log(capsys, caplog)


def statistic(found: list[Sample], alarm: OwnAlarm, metric: str) -> float:
    """Return the statistic of one period; 0 without values."""
    given = frozenset(alarm.dimensions.items())
    values = sorted(
        one.value for one in found if (one.namespace, one.name, one.dimensions) == (NAMESPACE, metric, given)
    )
    if not values:
        return 0
    if alarm.statistic == "Sum":
        return sum(values)
    place = {"Maximum": 1.0, "p90": 0.9}[alarm.statistic]
    return values[math.ceil(place * len(values)) - 1]


def is_above(found: list[Sample], name: str) -> bool:
    """Tell whether the values of one period are above an alarm's threshold."""
    alarm = ALARMS[name]
    value = statistic(found, alarm, alarm.metric)
    if alarm.share_of:
        both = value + statistic(found, alarm, alarm.share_of)
        value = 100 * value / both if both > alarm.least else 0
    return value > alarm.above


def refuse(code: str, times: int) -> None:
    for _ in range(times):
        error = PlatformError(code, "No.")
        error.metric = CALLS_REFUSED
        log_failure("gateway", error, "r")


def end_calls(times: int, **usage: Any) -> None:
    for _ in range(times):
        message = finished(usage=Usage(**usage))
        values = call_metrics.of_call(message, ExecuteResponse(status=200), is_answered=True)
        emit("gateway", values, outcome=call_metrics.outcome(message))


def test_every_alarm_of_the_stage_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in ALARMS if f'"{name}"' not in text] == []


def test_egress(log: Log) -> None:
    end_calls(1, egress_bytes=1 << 30)
    assert not is_above(log.read(), "egress")
    end_calls(2, egress_bytes=1 << 30)
    assert is_above(log.read(), "egress")


def test_quota(log: Log) -> None:
    refuse("quota_exceeded", 150)
    refuse("rate_limited", 500)
    assert not is_above(log.read(), "quota")
    refuse("quota_exceeded", 151)
    assert is_above(log.read(), "quota")


@pytest.mark.parametrize(
    ("refused", "ended", "expected"),
    [(101, 100, True), (100, 101, False), (200, 0, False), (201, 0, True), (0, 300, False)],
)
def test_calls_refused(log: Log, refused: int, ended: int, expected: bool) -> None:
    refuse("unauthenticated", refused)
    end_calls(ended)
    assert is_above(log.read(), "calls-refused") == expected


class _UnreachableStore:
    def get_optional(self, _key: str) -> bytes:
        raise PlatformError("object_store_unavailable", "It cannot be reached.")


def test_precompile_failures(log: Log, world: RegistryWorld) -> None:
    unused: Any = None
    prepare = Prepare(
        store=cast("Any", _UnreachableStore()),
        queue=unused,
        trust=unused,
        signer=world.log,
        engine=Engine("1", "2", "3"),
        compiler=unused,
        max_component_bytes=1,
        now=unused,
    )
    message = PrepareMessage(version_id="v", content_hash="sha256:0", component_sha256="0" * 64)
    seen: list[Sample] = []
    for expected in (False, False, True):
        with pytest.raises(PlatformError):
            prepare.handle(message)
        seen += log.read()
        assert is_above(seen, "precompile-failures") == expected


@pytest.mark.parametrize(("seconds", "expected"), [(30, False), (90, True)])
def test_recorder_lag(log: Log, world: RegistryWorld, seconds: int, expected: bool) -> None:
    ended = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    record(world.services.database, finished(accepted_at=ended, at=ended))
    assert is_above(log.read(), "recorder-lag") == expected


@pytest.mark.parametrize(
    ("name", "metric"), [("tick-lag", TICK_LAG), ("delivery-lag", DELIVERY_LAG), ("fanout-lag", FANOUT_LAG)]
)
def test_lags(log: Log, name: str, metric: Metric) -> None:
    for over_ms, expected in ((0, False), (1, True)):
        emit("registry-ticker", {metric: ALARMS[name].above + over_ms})
        assert is_above(log.read(), name) == expected


def test_dead_deliveries(log: Log) -> None:
    for times, expected in ((100, False), (101, True)):
        for _ in range(times):
            emit("dispatcher", {DEAD_DELIVERIES: 1})
        assert is_above(log.read(), "dead-deliveries") == expected


def test_events_refused(log: Log) -> None:
    for times, expected in ((100, False), (101, True)):
        count_refused("registry", [PlatformError("event_data_invalid", "No.") for _ in range(times)])
        assert is_above(log.read(), "events-refused") == expected


def test_tenant_ceiling(log: Log, world: RegistryWorld) -> None:
    fill = "insert into app.tenant_activity select 'tenant-' || n, now() from generate_series({}, {}) as n"
    owner = Database(world.databases.owner)
    for first, last, expected in ((1, 120, False), (121, 121, True)):
        with owner.system() as tx:
            tx.execute(fill.format(first, last))
        sweeping.report_tenants(world.services.database, datetime.now(UTC))
        assert is_above(log.read(), "tenant-ceiling") == expected
    owner.close()


def test_keys_overdue(log: Log) -> None:
    now = datetime.now(UTC)
    for age_days, expected in ((364, False), (366, True)):
        key = PlatformKey("log", "k", "active", True, now - timedelta(days=age_days), 365)
        report_overdue("gateway", [key], now)
        assert is_above(log.read(), "keys-overdue") == expected


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.close()


def test_trust_bundle_unreadable(log: Log, bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    source.current()
    assert not is_above(log.read(), "trust-bundle-unreadable")
    bucket.data = None
    for _ in range(3):
        bucket.clock.now_s += 30
        source.current()
    assert is_above(log.read(), "trust-bundle-unreadable")


@pytest.mark.parametrize(("days", "expected"), [(8, False), (6, True)])
def test_trust_bundle_expiring(log: Log, world: RegistryWorld, days: int, expected: bool) -> None:
    put_signed(world, timedelta(days=days))
    services = world.sweeper()
    services.trust.current()
    platform_keys.report(services, datetime.now(UTC))
    assert is_above(log.read(), "trust-bundle-expiring") == expected


def test_withdrawn_list_stale(log: Log) -> None:
    store = _Store()
    list_withdrawn(store, ONE)
    host = _Host(store)
    host.named()
    assert not is_above(log.read(), "withdrawn-list-stale")
    host.pass_time(1_900)
    for _ in range(3):
        host.pass_time(31)
        host.named()
    assert is_above(log.read(), "withdrawn-list-stale")


@pytest.mark.parametrize(("limit_bytes", "expected"), [(1_000_000, False), (100, True)])
def test_withdrawn_list_large(
    log: Log, world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, expected: bool
) -> None:
    monkeypatch.setattr(withdrawn_list, "ALARM_BYTES", limit_bytes)
    withdrawn_list.renew(world.sweeper())
    assert is_above(log.read(), "withdrawn-list-large") == expected
