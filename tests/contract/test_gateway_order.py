"""The order of the checks: a call that fails all of them is refused by the first that is not mended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from alga_ext.stores.database import Database
from tests.conftest import Databases
from tests.support.gateway_front import INSTALL, Front, gateway_front, give_installs

ONE_CALL = {"rate": {"burst": 1, "per_second": 0.001}}
NO_CALLS = {"quotas": {"day": {"calls": {"hard": 0}}}}
UNKNOWN = "00000000-0000-0000-0000-0000000000ff"


@pytest.fixture
def owner(databases: Databases) -> Iterator[Database]:
    give_installs(databases, "tenant-a")
    made = Database(databases.owner)
    yield made
    made.close()


def set_limits(owner: Database, document: dict[str, Any]) -> None:
    with owner.tenant("tenant-a") as tx:
        tx.execute("delete from app.extension_limit where install_id = :install_id", install_id=INSTALL)
        tx.execute(
            "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
            "values ('tenant-a', :install_id, cast(:document as jsonb), 't')",
            install_id=INSTALL, document=json.dumps(document),
        )  # fmt: skip


def test_each_refusal_ends_the_request_in_the_documented_order(databases: Databases, owner: Database, aws: str) -> None:
    set_limits(owner, ONE_CALL)
    headers = {"x-large": "x" * 9_000, "x-tenant-id": "tenant-b", "idempotency-key": "a b"}
    call: dict[str, Any] = {"method": "TRACE", "path": "/api/other", "headers": headers, "iss": "another", "roles": []}

    with gateway_front(databases.gateway, EXTENSIONS_ENABLED="false") as off:
        assert off.call(**call).code == "extensions_disabled"
    with gateway_front(databases.gateway) as front:
        assert front.call(sub="ben").status == 200, "the only call that the rate of the install allows"
        set_limits(owner, {**ONE_CALL, **NO_CALLS})

        assert front.call(**call).code == "not_found"
        call["path"] = f"/api/ext/{UNKNOWN}/nothing"
        assert front.call(**call).code == "method_not_allowed"
        call["method"] = "PUT"
        assert front.call(**call).code == "payload_too_large"
        del headers["x-large"]
        assert front.call(**call).code == "unauthenticated"
        del call["iss"]
        assert front.call(**call).code == "tenant_mismatch"
        del headers["x-tenant-id"]
        assert front.call(**call).code == "not_installed"
        call["path"] = f"/api/ext/{INSTALL}/nothing"
        assert_later_refusals(front, call, owner)


def assert_later_refusals(front: Front, call: dict[str, Any], owner: Database) -> None:
    """Check what is refused once the install is found."""
    assert front.call(**call, client_id="c").code == "forbidden", "no client hook"
    assert front.call(**call).code == "endpoint_not_found"
    call |= {"method": "POST", "path": f"/api/ext/{INSTALL}/notes"}
    assert front.call(**call).code == "forbidden"
    del call["roles"]
    assert front.call(**call).code == "quota_exceeded"
    set_limits(owner, ONE_CALL)
    assert front.call(**call).code == "rate_limited"
    set_limits(owner, {"rate": {**ONE_CALL["rate"], "burst": 100}})
    assert front.call(**call).code == "invalid_request"
    assert (len(front.door.server.asked), len(front.door.records())) == (1, 2)
    call["headers"]["idempotency-key"] = "ab"
    assert front.call(**call).status == 200
