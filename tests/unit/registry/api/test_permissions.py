"""Who may do what at the registry, for every set of roles."""

import itertools
from collections.abc import Callable, Iterable

import pytest

from alga_ext.edge.principal import Principal
from functions.registry.api import permissions
from tests.support.refusals import code_of

ROLES = ("platform_admin", "publisher", "tenant_admin", "tenant_viewer", "metrics:read", "something_else")
SETS = [chosen for count in range(3) for chosen in itertools.combinations(ROLES, count)]


def principal(
    roles: Iterable[str], tenant_id: str | None = "tenant-a", publishers: Iterable[str] = ("acme", "x")
) -> Principal:
    return Principal(
        subject="someone", tenant_id=tenant_id, roles=frozenset(roles), publishers=frozenset(publishers),
        user_type="internal", client_id=None, client_name="", email="", name="",
    )  # fmt: skip


def allowed(check: Callable[[], object]) -> bool:
    code = code_of(check)
    assert code in (None, "forbidden")
    return code is None


@pytest.mark.parametrize("given", SETS, ids=" ".join)
def test_each_requirement_is_met_by_its_roles_and_no_others(given: tuple[str, ...]) -> None:
    caller, roles = principal(given), set(given)

    assert allowed(lambda: permissions.require_reader(caller)) == bool(roles & set(ROLES[:4]))
    assert allowed(lambda: permissions.require_platform_admin(caller)) == ("platform_admin" in roles)
    assert allowed(lambda: permissions.require_publisher(caller, "acme")) == bool(
        roles & {"platform_admin", "publisher"}
    )
    assert allowed(lambda: permissions.require_metrics_reader(caller)) == bool(
        roles & {"platform_admin", "metrics:read"}
    )
    assert allowed(lambda: permissions.require_tenant_admin(caller)) == ("tenant_admin" in roles)
    assert allowed(lambda: permissions.require_tenant_viewer(caller)) == bool(roles & {"tenant_admin", "tenant_viewer"})


def test_a_publisher_acts_for_the_publishers_of_its_token_only() -> None:
    caller = principal({"publisher"}, publishers=("acme", "globex"))

    found = [permissions.acts_for(caller, name) for name in ("acme", "globex", "initech", "")]
    assert found == [True, True, False, False]


def test_a_list_of_publishers_is_nothing_without_the_role() -> None:
    assert not permissions.acts_for(principal({"tenant_admin"}), "acme")


@pytest.mark.parametrize("role", ["tenant_admin", "tenant_viewer", "platform_admin"])
def test_without_a_tenant_nobody_sees_or_changes_installs(role: str) -> None:
    caller = principal({role}, tenant_id=None)

    assert not allowed(lambda: permissions.require_tenant_admin(caller))
    assert not allowed(lambda: permissions.require_tenant_viewer(caller))


def test_the_tenant_is_the_tokens() -> None:
    assert permissions.require_tenant_admin(principal({"tenant_admin"})) == "tenant-a"
    assert permissions.require_tenant_viewer(principal({"tenant_viewer"})) == "tenant-a"
    caller = principal({"tenant_viewer"})
    assert permissions.require_reader(caller) is caller


@pytest.mark.parametrize("state", ["pending", "rejected", "ready", "yanked", "withdrawn"])
@pytest.mark.parametrize("caller", ["acme", "globex", "initech", "admin"])
def test_a_version_that_is_not_out_is_seen_by_its_publisher_and_its_owner(state: str, caller: str) -> None:
    who = principal({"platform_admin"}) if caller == "admin" else principal({"publisher"}, publishers=(caller,))
    version = {"state": state, "publisher": "acme", "owner": "globex"}

    hidden = state in ("pending", "rejected") and caller == "initech"
    assert permissions.may_see(who, version) is not hidden
