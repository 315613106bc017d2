"""The limits documents: their form, and what remains when stage, platform and tenant each set some."""

import json
from typing import Any

import pytest

from alga_ext.calls import limits
from alga_ext.calls.limits import PRODUCT, Amount, Amounts, InstallLimits, Limits, Quotas, Rate, TenantLimits
from alga_ext.json_shape import ShapeError

SLOW = Rate(burst=5, per_second=0.5)
FAST = Rate(burst=5_000, per_second=500)


def quotas(warning: int | None = None, hard: int | None = None) -> Quotas:
    return Quotas(day=Amounts(calls=Amount(warning=warning, hard=hard)))


def install(warning: int | None = None, hard: int | None = None) -> Limits:
    return Limits(install=InstallLimits(quotas=quotas(warning, hard)))


def effective_amount(by_platform: Limits, by_tenant: Limits = Limits()) -> Amount | None:  # noqa: B008 - frozen
    return limits.effective(PRODUCT, by_platform, by_tenant).install_quotas.day.calls


def test_without_any_document_the_products_defaults_apply() -> None:
    found = limits.effective(PRODUCT)
    assert (found.user, found.install, found.tenant) == (
        Rate(burst=60, per_second=1),
        Rate(burst=300, per_second=20),
        Rate(burst=1_200, per_second=100),
    )
    assert list(found.tenant_quotas.each()) == []
    assert list(found.install_quotas.each()) == [(None, "storage_bytes", Amount(hard=256 << 20))]


def test_the_platform_may_raise_a_rate_above_the_default() -> None:
    assert limits.effective(PRODUCT, Limits(tenant=TenantLimits(user=FAST))).user == FAST


def test_the_platform_may_lift_a_quota_of_the_stage() -> None:
    stage = limits.parse_defaults('{"install": {"quotas": {"day": {"calls": {"hard": 10}}}}}')
    assert limits.effective(stage, install()).install_quotas.day.calls == Amount()


def test_what_the_platform_does_not_set_stays_at_the_default() -> None:
    stage = limits.parse_defaults('{"tenant": {"quotas": {"month": {"log_bytes": {"hard": 10}}}}}')
    found = limits.effective(stage, Limits(tenant=TenantLimits(quotas=quotas(hard=3))))
    assert found.tenant_quotas == Quotas(day=Amounts(calls=Amount(hard=3)), month=Amounts(log_bytes=Amount(hard=10)))


def test_the_smaller_of_platforms_and_tenants_rate_applies_in_each_member() -> None:
    platform = Limits(install=InstallLimits(rate=Rate(burst=10, per_second=9)))
    tenant = Limits(install=InstallLimits(rate=Rate(burst=20, per_second=2)))
    assert limits.effective(PRODUCT, platform, tenant).install == Rate(burst=10, per_second=2)


@pytest.mark.parametrize(
    ("platform", "tenant", "expected"),
    [
        (install(hard=100), install(hard=50), Amount(hard=50)),
        (install(hard=50), install(hard=100), Amount(hard=50)),
        (install(hard=50), install(), Amount(hard=50)),
        (install(), install(hard=50), Amount(hard=50)),
        (install(warning=80, hard=100), install(hard=50), Amount(warning=50, hard=50)),
        (install(warning=80), install(warning=40), Amount(warning=40)),
        (install(hard=0), install(hard=5), Amount(hard=0)),
    ],
)
def test_the_smaller_amount_applies(platform: Limits, tenant: Limits, expected: Amount) -> None:
    assert effective_amount(platform, tenant) == expected


def test_a_named_user_has_a_rate_of_its_own() -> None:
    found = limits.effective(PRODUCT, Limits(tenant=TenantLimits(users={"importer": FAST})))
    assert (found.user_rate("importer"), found.user_rate("ann")) == (FAST, Rate(burst=60, per_second=1))


def test_the_tenants_rate_of_all_users_does_not_lower_a_named_user() -> None:
    platform = Limits(tenant=TenantLimits(users={"importer": FAST}))
    found = limits.effective(PRODUCT, platform, Limits(tenant=TenantLimits(user=SLOW)))
    assert (found.user_rate("importer"), found.user_rate("ann")) == (FAST, SLOW)


def test_the_tenant_may_lower_one_user_that_the_platform_does_not_name() -> None:
    found = limits.effective(PRODUCT, Limits(), Limits(tenant=TenantLimits(users={"ann": SLOW})))
    assert (found.user_rate("ann"), found.user_rate("ben")) == (SLOW, Rate(burst=60, per_second=1))


@pytest.mark.parametrize(
    ("tenant", "where"),
    [
        (Limits(tenant=TenantLimits(user=Rate(burst=61, per_second=1))), "tenant.user.burst is 61"),
        (
            Limits(tenant=TenantLimits(users={"ann": Rate(burst=1, per_second=1.5)})),
            "tenant.users.ann.per_second is 1.5",
        ),
        (Limits(tenant=TenantLimits(tenant=FAST)), "tenant.tenant.burst is 5000"),
        (Limits(install=InstallLimits(rate=FAST)), "install.rate.burst is 5000"),
        (install(hard=101), "install.quotas.day.calls.hard is 101, the platform allows 100"),
        (install(warning=81), "install.quotas.day.calls.warning is 81, the platform allows 80"),
        (
            Limits(tenant=TenantLimits(quotas=Quotas(storage_bytes=Amount(hard=6)))),
            "tenant.quotas.storage_bytes.hard is 6, the platform allows 5",
        ),
    ],
)
def test_a_tenants_value_above_the_platforms_is_named_with_both_values(tenant: Limits, where: str) -> None:
    platform = Limits(
        tenant=TenantLimits(quotas=Quotas(storage_bytes=Amount(hard=5))),
        install=InstallLimits(quotas=quotas(warning=80, hard=100)),
    )
    assert limits.raised(PRODUCT, platform, tenant)[0].startswith(where)


def test_a_tenant_may_set_what_the_platform_allows_and_what_it_does_not_limit() -> None:
    own = Limits(
        tenant=TenantLimits(user=Rate(burst=60, per_second=1), quotas=quotas(hard=10**12)),
        install=InstallLimits(rate=SLOW, quotas=quotas(hard=100)),
    )
    assert limits.raised(PRODUCT, install(hard=100), own) == []


@pytest.mark.parametrize(
    ("document", "where", "why"),
    [
        ({"usr": {}}, "", "its member 'usr' is unknown"),
        ({"user": {"burst": 0, "per_second": 1}}, "user.burst", "expected `int` >= 1"),
        ({"user": {"burst": 100_001, "per_second": 1}}, "user.burst", "expected `int` <= 100000"),
        ({"user": {"burst": 1, "per_second": 0}}, "user.per_second", "expected `float` >= 0.001"),
        ({"user": {"burst": 1, "per_second": 10_001}}, "user.per_second", "expected `float` <= 10000.0"),
        ({"user": {"burst": 1}}, "user", "it has no member 'per_second'"),
        ({"user": {"burst": True, "per_second": 1}}, "user.burst", "expected `int`, got `bool`"),
        ({"quotas": {"day": {"calls": {"hard": -1}}}}, "quotas.day.calls.hard", "expected `int` >= 0"),
        (
            {"quotas": {"day": {"calls": {"hard": 2**53}}}},
            "quotas.day.calls.hard",
            "expected `int` <= 9007199254740991",
        ),
        ({"quotas": {"week": {}}}, "quotas", "its member 'week' is unknown"),
        ({"quotas": {"day": {"calls": {"soft": 1}}}}, "quotas.day.calls", "its member 'soft' is unknown"),
        (
            {"quotas": {"storage_bytes": {"warning": 2, "hard": 1}}},
            "quotas.storage_bytes",
            "the warning (2) must not be above hard (1)",
        ),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_its_place(document: Any, where: str, why: str) -> None:
    with pytest.raises(ShapeError) as caught:
        limits.convert(document, TenantLimits)
    assert (caught.value.where, caught.value.why) == (where, why)


def test_more_than_fifty_users_are_refused() -> None:
    users = {f"user-{number}": {"burst": 1, "per_second": 1} for number in range(51)}
    with pytest.raises(ShapeError, match="users: expected `object` of length <= 50"):
        limits.convert({"users": users}, TenantLimits)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it cannot be parsed"),
        ("[]", "expected `object`"),
        ('{"instal": {}}', "its member 'instal' is unknown"),
        ('{"install": {"rate": {"burst": 1, "per_second": 0.0001}}}', "at install.rate.per_second"),
        ('{"tenant": {"users": {"ann": {"burst": 1, "per_second": 1}}}}', "tenant.users"),
        ('{"tenant": {}, "tenant": {}}', "appears twice"),
        ('{"tenant": {"quotas": {"storage_bytes": {"hard": 1}}}}', "tenant.quotas.storage_bytes.hard"),
        ('{"install": {"quotas": {"storage_bytes": {"hard": 1}}}}', "install.quotas.storage_bytes.hard"),
    ],
)
def test_defaults_that_do_not_fit_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        limits.parse_defaults(text)


def test_a_stages_defaults_are_completed_by_the_products() -> None:
    stage = limits.parse_defaults(json.dumps({"tenant": {"user": {"burst": 5, "per_second": 0.5}}}))
    assert (stage.tenant.user, stage.tenant.tenant) == (SLOW, PRODUCT.tenant.tenant)


def test_no_document_gives_an_install_more_storage_than_the_database_allows() -> None:
    with pytest.raises(ShapeError, match="an install has at most 268435456"):
        limits.convert({"quotas": {"storage_bytes": {"hard": (256 << 20) + 1}}}, InstallLimits)


def test_an_install_without_a_storage_limit_still_has_that_of_the_database() -> None:
    lifted = Limits(install=InstallLimits(quotas=Quotas(storage_bytes=Amount(warning=5))))
    assert limits.effective(PRODUCT, lifted).install_quotas.storage_bytes == Amount(warning=5, hard=256 << 20)
