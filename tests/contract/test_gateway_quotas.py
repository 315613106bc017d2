"""Quotas at the gateway: limits and totals come with the install, from a real database, and refuse a call early."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL, Rate, parse_defaults
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.gateway import quotas
from functions.gateway.install import Install
from functions.gateway.resolution import Installs
from tests.conftest import Databases
from tests.support.rows import fill_tenant

INSTALL = "00000000-0000-0000-0000-0000000000a1"
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
DAY, MONTH = "2026-03-14", "2026-03"


class Scene:
    """Tenants with the same install id, and the gateway's view of them."""

    def __init__(self, databases: Databases) -> None:
        self.owner = Database(databases.owner)
        self.gateway = Database(databases.gateway)
        for tenant_id in ("tenant-a", "tenant-b"):
            fill_tenant(databases, tenant_id)
            with self.owner.tenant(tenant_id) as tx:
                tx.execute("delete from app.extension_install_disabling where tenant_id = :tenant", tenant=tenant_id)

    def limit(
        self, document: Any, install_id: str = INSTALL, tenant_id: str = "tenant-a", by: str = "platform"
    ) -> None:
        with self.owner.tenant(tenant_id) as tx:
            tx.execute(
                f"insert into app.extension_limit (tenant_id, install_id, by_{by}, changed_by) "
                "values (:tenant_id, :install_id, cast(:document as jsonb), 't')",
                tenant_id=tenant_id, install_id=install_id, document=json.dumps(document),
            )  # fmt: skip

    def use(self, period: str, calls: int, install_id: str = INSTALL, tenant_id: str = "tenant-a") -> None:
        with self.owner.tenant(tenant_id) as tx:
            tx.execute(
                "insert into app.extension_quota_usage as u (tenant_id, install_id, period, calls) "
                "values (:tenant_id, :install_id, :period, :calls) "
                "on conflict (tenant_id, install_id, period) do update set calls = excluded.calls",
                tenant_id=tenant_id, install_id=install_id, period=period, calls=calls,
            )  # fmt: skip

    def find(
        self, installs: Installs, now_s: float = 0.0, now: datetime = NOON, tenant_id: str = "tenant-a"
    ) -> Install:
        found = installs.find(tenant_id, INSTALL, now_s, now)
        assert found is not None
        return found

    def refused(self, installs: Installs, now_s: float = 0.0, now: datetime = NOON, **more: str) -> list[str]:
        found = self.find(installs, now_s, now, **more)
        return [one.policy for one in quotas.violations(found.limits, found.usage, now)]


@pytest.fixture
def scene(databases: Databases) -> Iterator[Scene]:
    made = Scene(databases)
    yield made
    made.owner.close()
    made.gateway.close()


def calls(period: str = "day", hard: int = 10) -> dict[str, Any]:
    return {"quotas": {period: {"calls": {"hard": hard}}}}


def test_an_install_without_limits_has_the_stages_defaults(scene: Scene) -> None:
    defaults = parse_defaults('{"tenant": {"user": {"burst": 7, "per_second": 1}}}')
    found = scene.find(Installs(scene.gateway, 0, defaults))
    assert (found.limits.user, found.limits.tenant) == (Rate(burst=7, per_second=1), PRODUCT.tenant.tenant)


def test_limits_of_all_parties_come_with_the_install(scene: Scene) -> None:
    scene.limit({"rate": {"burst": 9, "per_second": 2}})
    scene.limit({"users": {"bot": {"burst": 500, "per_second": 50}}, "user": {"burst": 5, "per_second": 1}},
                TENANT_AS_INSTALL)  # fmt: skip
    found = scene.find(Installs(scene.gateway, 0)).limits
    assert found.install == Rate(burst=9, per_second=2)
    assert (found.user_rate("bot").burst, found.user_rate("ann").burst) == (500, 5)


def test_totals_of_install_and_tenant_refuse_by_day_and_month(scene: Scene) -> None:
    scene.limit({"quotas": {"day": {"calls": {"hard": 10}}, "month": {"calls": {"hard": 100}}}})
    scene.limit({"quotas": {"day": {"calls": {"hard": 20}}, "month": {"calls": {"hard": 200}}}}, TENANT_AS_INSTALL)
    for period, install_id, used in (
        (DAY, INSTALL, 10), (MONTH, INSTALL, 100), (DAY, TENANT_AS_INSTALL, 20), (MONTH, TENANT_AS_INSTALL, 200),
    ):  # fmt: skip
        scene.use(period, used, install_id)
    assert scene.refused(Installs(scene.gateway, 0)) == [
        "install-day-calls", "install-month-calls", "tenant-day-calls", "tenant-month-calls",
    ]  # fmt: skip


def test_totals_of_other_days_and_other_installs_do_not_count(scene: Scene) -> None:
    scene.limit(calls())
    scene.use("2026-03-13", 10)
    scene.use(DAY, 10, "00000000-0000-0000-0000-0000000000a2")
    assert scene.refused(Installs(scene.gateway, 0)) == []


def test_the_same_install_id_of_another_tenant_has_its_own_limits_and_totals(scene: Scene) -> None:
    scene.limit(calls())
    scene.use(DAY, 10)
    installs = Installs(scene.gateway, 60)
    assert scene.refused(installs) == ["install-day-calls"]
    assert scene.refused(installs, tenant_id="tenant-b") == []


def test_a_total_is_read_again_when_the_install_is(scene: Scene) -> None:
    scene.limit(calls())
    installs = Installs(scene.gateway, 2.0)
    assert scene.refused(installs, 0.0) == []
    scene.use(DAY, 10)
    assert [scene.refused(installs, now_s) for now_s in (1.9, 2.0)] == [[], ["install-day-calls"]]


def test_a_higher_limit_counts_when_the_install_is_read_again(scene: Scene) -> None:
    scene.limit(calls(hard=0), by="tenant")
    installs = Installs(scene.gateway, 2.0)
    assert scene.refused(installs, 0.0) == ["install-day-calls"]
    with scene.owner.tenant("tenant-a") as tx:
        tx.execute("update app.extension_limit set by_tenant = '{}' where tenant_id = 'tenant-a'")
    assert [scene.refused(installs, now_s) for now_s in (1.9, 2.0)] == [["install-day-calls"], []]


def test_a_day_that_begins_within_the_caches_lifetime_is_not_refused_for_the_day_before(scene: Scene) -> None:
    scene.limit(calls())
    scene.use(DAY, 10)
    installs, midnight = Installs(scene.gateway, 60.0), datetime(2026, 3, 15, tzinfo=UTC)
    before = midnight - timedelta(seconds=1)
    assert scene.refused(installs, 0.0, before) == ["install-day-calls"]
    assert scene.refused(installs, 1.0, midnight) == []


def test_a_wall_clock_that_jumps_does_not_prolong_the_cache(scene: Scene) -> None:
    scene.limit(calls())
    installs = Installs(scene.gateway, 2.0)
    assert scene.refused(installs, 0.0, NOON + timedelta(days=1)) == []
    scene.use(DAY, 10)
    assert scene.refused(installs, 2.0, NOON) == ["install-day-calls"]


def test_limits_that_cannot_be_read_are_not_ignored(scene: Scene) -> None:
    scene.limit({"quotas": {"week": {}}})
    with pytest.raises(PlatformError) as refused:
        scene.find(Installs(scene.gateway, 0))
    assert refused.value.code == "policy_unavailable"
