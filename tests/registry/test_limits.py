"""Limits by API: the platform sets them up or down, a tenant only down, each for its own tenant."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pydantic
import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import (
    PRODUCT,
    TENANT_AS_INSTALL,
    Amount,
    Amounts,
    InstallLimits,
    Quotas,
    Rate,
    TenantLimits,
    convert,
)
from alga_ext.json_shape import ShapeError
from alga_ext.stores.database import Database
from functions.registry.api.limit_shapes import InstallLimitsDocument, TenantLimitsDocument
from functions.registry.records.recording import Recorder
from tests.conftest import fresh_databases
from tests.registry.conftest import registry
from tests.registry.test_recorder import finished
from tests.support.registry import Answer, RegistryWorld
from tests.support.rows import create_day
from tests.support.server_extension import publish_server

OF_TENANT = "/tenants/tenant-a/limits"
SLOW, FAST = {"burst": 5, "per_second": 0.5}, {"burst": 5_000, "per_second": 500}


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str, moto_url: str) -> Iterator[tuple[RegistryWorld, str]]:
    """A registry with one install of tenant-a; making one costs seconds."""
    with fresh_databases(postgres_server, template_database) as databases, registry(databases, moto_url) as world:
        world.register()
        publish_server(world)
        yield world, world.install()["install_id"]


@pytest.fixture
def scene(shared: tuple[RegistryWorld, str]) -> Iterator[tuple[RegistryWorld, str]]:
    """The same, without limits, usage and audit rows."""
    yield shared
    shared[0].rows("delete from app.extension_limit returning 1")
    shared[0].rows("delete from app.extension_quota_usage returning 1")


def of_install(install_id: str) -> str:
    return f"/installs/{install_id}/limits"


def calls_a_day(hard: int | None = None, warning: int | None = None) -> dict[str, Any]:
    amount = {name: value for name, value in {"hard": hard, "warning": warning}.items() if value is not None}
    return {"quotas": {"day": {"calls": amount}}}


def put(world: RegistryWorld, path: str, token: str, body: Any, **more: Any) -> Answer:
    answer = world.call("PUT", path, token, body, **more)
    assert answer.status == 200, answer
    return answer


def test_what_nobody_set_shows_the_defaults(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    tenant = world.call("GET", OF_TENANT, world.tenant_viewer())
    install = world.call("GET", of_install(install_id), world.tenant_viewer())
    assert (tenant.headers["etag"], install.headers["etag"]) == ('"1"', '"1"')
    assert tenant.body["effective"]["user"] == {"burst": 60, "per_second": 1.0}
    assert tenant.body["effective"]["tenant"] == {"burst": 1_200, "per_second": 100.0}
    assert install.body["effective"]["rate"] == {"burst": 300, "per_second": 20.0}
    assert install.body["effective"]["quotas"]["storage_bytes"] == {"warning": None, "hard": 256 << 20}
    assert tenant.body["usage"]["day"]["calls"] == 0


def test_the_platform_raises_and_lowers_a_tenants_limits(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    answer = put(world, OF_TENANT, world.admin, {"user": SLOW, "tenant": FAST})
    assert answer.body["set_by_platform"]["user"] == answer.body["effective"]["user"] == SLOW
    assert answer.body["effective"]["tenant"] == FAST
    assert world.call("GET", OF_TENANT, world.tenant_viewer()).body == answer.body


def test_the_platform_sets_those_of_an_install_and_names_the_tenant(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    answer = put(world, of_install(install_id), world.admin, {"rate": FAST}, query="tenant_id=tenant-a")
    assert (answer.body["install_id"], answer.body["effective"]["rate"]) == (install_id, FAST)


def test_a_platforms_token_with_a_tenant_need_not_name_it(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    token = world.token(sub="platform", roles=["platform_admin"], tenant_id="tenant-a")
    assert put(world, of_install(install_id), token, {"rate": FAST}).body["tenant_id"] == "tenant-a"


def test_a_platforms_request_about_an_install_of_no_tenant_says_what_is_missing(
    scene: tuple[RegistryWorld, str],
) -> None:
    world, install_id = scene
    answer = world.call("GET", of_install(install_id), world.admin)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert "?tenant_id=" in answer.body["detail"]


def test_an_install_is_not_found_in_another_tenant_that_the_platform_names(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    answer = world.call("PUT", of_install(install_id), world.admin, {}, query="tenant_id=tenant-b")
    assert answer.code == "install_not_found"


@pytest.mark.parametrize("tenant_id", ["-x", "x" * 65])
def test_a_tenant_id_that_no_tenant_can_have_is_refused(scene: tuple[RegistryWorld, str], tenant_id: str) -> None:
    world, _ = scene
    answer = world.call("PUT", f"/tenants/{tenant_id}/limits", world.admin, {})
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_a_tenant_lowers_its_own_limits(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    put(world, of_install(install_id), world.admin, calls_a_day(hard=100), query="tenant_id=tenant-a")
    answer = put(world, of_install(install_id), world.tenant_admin(), {"rate": SLOW, **calls_a_day(hard=10)})
    assert answer.body["effective"]["rate"] == SLOW
    assert answer.body["effective"]["quotas"]["day"]["calls"]["hard"] == 10
    assert answer.body["set_by_platform"]["quotas"]["day"]["calls"]["hard"] == 100


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rate": {"burst": 301, "per_second": 1}}, "install.rate.burst is 301, the platform allows 300"),
        (calls_a_day(hard=101), "install.quotas.day.calls.hard is 101, the platform allows 100"),
        (calls_a_day(warning=101), "install.quotas.day.calls.warning is 101, the platform allows 100"),
    ],
)
def test_a_tenant_cannot_raise_a_limit(scene: tuple[RegistryWorld, str], body: Any, said: str) -> None:
    world, install_id = scene
    put(world, of_install(install_id), world.admin, calls_a_day(hard=100), query="tenant_id=tenant-a")
    before = world.call("GET", of_install(install_id), world.tenant_admin()).body
    answer = world.call("PUT", of_install(install_id), world.tenant_admin(), body)
    assert (answer.status, answer.code) == (400, "limit_too_high")
    assert said in answer.body["detail"]
    assert world.call("GET", of_install(install_id), world.tenant_admin()).body == before


def test_a_tenant_cannot_raise_a_users_rate(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    answer = world.call("PUT", OF_TENANT, world.tenant_admin(), {"users": {"importer": FAST}})
    assert answer.code == "limit_too_high"


def test_the_platform_may_go_below_what_the_tenant_set(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    put(world, OF_TENANT, world.tenant_admin(), calls_a_day(hard=50))
    answer = put(world, OF_TENANT, world.admin, calls_a_day(hard=20))
    assert answer.body["effective"]["quotas"]["day"]["calls"]["hard"] == 20


def test_a_caller_with_both_roles_acts_for_the_platform(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    token = world.token(sub="both", roles=["platform_admin", "tenant_admin"], tenant_id="tenant-a")
    assert put(world, OF_TENANT, token, {"user": FAST}).body["set_by_platform"]["user"] == FAST


def test_a_request_replaces_the_whole_document_of_its_party_only(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    put(world, OF_TENANT, world.admin, {"user": FAST, "tenant": FAST})
    put(world, OF_TENANT, world.tenant_admin(), {"user": SLOW})
    answer = put(world, OF_TENANT, world.admin, {"tenant": FAST})
    assert answer.body["set_by_platform"]["user"] is None
    assert answer.body["set_by_tenant"]["user"] == SLOW


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_another_tenants_limits_are_refused(scene: tuple[RegistryWorld, str], method: str) -> None:
    world, _ = scene
    body: Any = {} if method == "PUT" else None
    answer = world.call(method, OF_TENANT, world.tenant_admin("tenant-b"), body)
    assert (answer.status, answer.code) == (403, "tenant_mismatch")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_query_gives_a_tenant_no_other_tenant(scene: tuple[RegistryWorld, str], method: str) -> None:
    world, install_id = scene
    body: Any = {} if method == "PUT" else None
    answer = world.call(
        method, of_install(install_id), world.tenant_admin("tenant-b"), body, query="tenant_id=tenant-a"
    )
    assert (answer.status, answer.code) == (403, "tenant_mismatch")


def test_one_users_limits_of_two_tenants_are_apart(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    put(world, OF_TENANT, world.admin, {"users": {"user-1": SLOW}})
    other = world.call("GET", "/tenants/tenant-b/limits", world.tenant_admin("tenant-b"))
    assert (other.body["effective"]["users"], other.body["revision"]) == ({}, 1)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_id_under_which_a_tenants_own_row_is_kept_is_no_install(
    scene: tuple[RegistryWorld, str], method: str
) -> None:
    world, _ = scene
    put(world, OF_TENANT, world.admin, {"user": SLOW})
    body: Any = {} if method == "PUT" else None
    assert world.call(method, of_install(TENANT_AS_INSTALL), world.tenant_admin(), body).code == "install_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"rates": SLOW},
        {"rate": {**SLOW, "unit": "s"}},
        {"rate": {"burst": 5}},
        {"rate": {"burst": 0, "per_second": 1}},
        {"rate": {"burst": True, "per_second": 1}},
        {"rate": {"burst": "5", "per_second": 1}},
        {"rate": {"burst": 5, "per_second": 0.0001}},
        {"quotas": {"week": {}}},
        {"quotas": {"day": {"calls": {"hard": -1}}}},
        {"quotas": {"day": {"calls": {"hard": 2**53}}}},
        {"quotas": {"day": {"calls": {"hard": 1, "warning": 2}}}},
        {"quotas": {"storage_bytes": {"hard": (256 << 20) + 1}}},
        [],
        None,
    ],
)
def test_a_document_that_does_not_fit_is_refused_and_changes_nothing(
    scene: tuple[RegistryWorld, str], body: Any
) -> None:
    world, install_id = scene
    answer = world.call("PUT", of_install(install_id), world.tenant_admin(), body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert world.call("GET", of_install(install_id), world.tenant_admin()).body["revision"] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"user": {"burst": burst, "per_second": per_second}}
        for burst, per_second in [
            (0, 1),
            (1, 0.001),
            (100_000, 10_000),
            (100_001, 1),
            (1, 0.0009),
            (1, 10_001),
            (1.5, 1),
        ]
    ]
    + [{"quotas": {"month": {"cpu_ms": {"hard": hard}}}} for hard in (-1, 0, 2**53 - 1, 2**53)]
    + [{"users": {subject: SLOW}} for subject in ("", "a", "a" * 255, "a" * 256)]
    + [{"users": {f"u{number}": SLOW for number in range(count)}} for count in (50, 51)],
)
def test_the_api_and_the_rules_accept_the_same_documents(document: Any) -> None:
    def fits(check: Any) -> bool:
        try:
            check()
        except (pydantic.ValidationError, ShapeError):
            return False
        return True

    by_api = fits(lambda: TenantLimitsDocument.model_validate(document))
    assert by_api == fits(lambda: convert(document, TenantLimits))


def test_the_api_and_the_rules_have_the_same_members() -> None:
    for shown, kind in ((TenantLimitsDocument, TenantLimits), (InstallLimitsDocument, InstallLimits)):
        assert list(shown.model_fields) == list(kind.__struct_fields__)
    quotas = Quotas(day=Amounts(log_bytes=Amount(hard=1)))
    assert [(quota.period, quota.metric) for quota in quotas.each()] == [("day", "log_bytes")]
    assert list(Rate.__struct_fields__) == ["burst", "per_second"]


def test_a_change_of_something_older_is_refused(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    etag = put(world, OF_TENANT, world.admin, {"user": SLOW}).headers["etag"]
    put(world, OF_TENANT, world.tenant_admin(), {"user": SLOW}, headers={"if-match": etag})
    answer = world.call("PUT", OF_TENANT, world.admin, {"user": FAST}, headers={"if-match": etag})
    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert world.call("GET", OF_TENANT, world.admin).body["set_by_platform"]["user"] == SLOW


def test_a_first_change_with_a_tag_of_nothing_leaves_no_row(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    answer = world.call("PUT", OF_TENANT, world.admin, {"user": FAST}, headers={"if-match": '"7"'})
    assert (answer.status, world.rows("select 1 from app.extension_limit")) == (412, [])


def test_the_tenants_audit_trail_has_what_the_platform_changed(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    put(world, OF_TENANT, world.admin, {"user": SLOW})
    put(world, OF_TENANT, world.admin, {"user": FAST}, headers={"x-request-id": "r-77"})
    row = world.call("GET", "/audit", world.tenant_admin(), query="page_size=1").body["items"][0]
    assert (row["actor"], row["action"], row["subject"]) == ("platform", "limits.set", "tenant-a")
    assert row["request_id"] == "r-77"
    assert row["before"]["by_platform"]["user"] == SLOW
    assert row["after"]["by_platform"]["user"] == FAST


def test_a_refused_change_leaves_no_audit_row(scene: tuple[RegistryWorld, str]) -> None:
    world, _ = scene
    before = world.rows("select count(*) as n from app.audit_event")
    assert world.call("PUT", OF_TENANT, world.tenant_admin(), {"user": FAST}).code == "limit_too_high"
    assert world.rows("select count(*) as n from app.audit_event") == before


def test_a_stages_defaults_apply_where_nothing_is_set(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    world.rewire(DEFAULT_LIMITS='{"install": {"quotas": {"day": {"calls": {"hard": 7}}}}}')
    try:
        shown = world.call("GET", of_install(install_id), world.tenant_admin()).body
        assert shown["effective"]["quotas"]["day"]["calls"]["hard"] == 7
        assert world.call("PUT", of_install(install_id), world.tenant_admin(), calls_a_day(hard=8)).code == (
            "limit_too_high"
        )
    finally:
        world.rewire(DEFAULT_LIMITS="")


def test_the_answer_shows_the_usage_of_the_present_day_and_month(scene: tuple[RegistryWorld, str]) -> None:
    world, install_id = scene
    now = world.services.now()
    usage = Usage(cpu_ms=2.5, egress_bytes=3, log_bytes=4)
    owner = Database(world.databases.owner)
    create_day(owner, date(2020, 1, 1))
    owner.close()
    for at, execution in ((now, 1), (datetime(2020, 1, 1, tzinfo=now.tzinfo), 2)):
        message = finished(
            install_id=install_id,
            usage=usage,
            accepted_at=at.isoformat(),
            execution_id=f"00000000-0000-0000-0000-00000000000{execution}",
        )
        assert Recorder(world.services.database, PRODUCT).record([message]) == {}
    expected = {"calls": 1, "cpu_ms": 2.5, "egress_bytes": 3, "log_bytes": 4}
    for path in (OF_TENANT, of_install(install_id)):
        shown = world.call("GET", path, world.tenant_viewer()).body["usage"]
        assert shown["day"] == {"period": f"{now:%Y-%m-%d}", **expected}
        assert shown["month"] == {"period": f"{now:%Y-%m}", **expected}


def test_a_reinstall_within_the_grace_time_keeps_the_limits(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    put(published, of_install(install_id), published.tenant_admin(), {"rate": SLOW})
    assert published.call("DELETE", f"/installs/{install_id}", published.tenant_admin()).status == 204
    assert published.call("GET", of_install(install_id), published.tenant_admin()).code == "install_not_found"
    assert published.install()["install_id"] == install_id
    shown = published.call("GET", of_install(install_id), published.tenant_admin()).body
    assert shown["effective"]["rate"] == SLOW


def test_a_reinstall_after_the_grace_time_begins_without_limits_of_its_own(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    put(published, of_install(install_id), published.tenant_admin(), {"rate": SLOW})
    published.call("DELETE", f"/installs/{install_id}", published.tenant_admin())
    published.rewire(UNINSTALL_GRACE_S="0")
    again = published.install()["install_id"]
    shown = published.call("GET", of_install(again), published.tenant_admin()).body
    assert (again != install_id, shown["revision"], shown["effective"]["rate"]["burst"]) == (True, 1, 300)
