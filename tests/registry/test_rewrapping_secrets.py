"""The KMS key of tenants' secrets is replaced: their data keys are encrypted again, and the old key is not needed."""

import os
from typing import Any

import pytest

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys
from alga_ext.stores.sealing import Sealer, secret_context
from functions.registry.api.paging import encode_cursor
from functions.registry.installing import secret_rewrapping
from tests.support.refusals import code_of
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server

TENANTS = ("tenant-a", "tenant-b", "tenant-c")
VALUE = "hunter2 of the tenant"


class Secrets:
    """Three tenants with an install and three versions of one secret each, all sealed with the first KMS key."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        world.register()
        publish_server(world)
        self.installs = {tenant: self._install(tenant) for tenant in TENANTS}
        self.old, self.new = world.secrets_key_id, str(world.client("kms").create_key()["KeyMetadata"]["KeyId"])

    def _install(self, tenant: str) -> str:
        admin = self.world.tenant_admin(tenant)
        grants = {"capabilities": ["secrets.get"], "secrets": {"salt": []}}
        made = self.world.call("POST", "/installs", admin, {"extension": "com.acme.notes", "grants": grants})
        install_id = str(made.body["install_id"])
        for number in range(3):
            body = {"value": f"{VALUE} {number}"}
            put = self.world.call("PUT", f"/installs/{install_id}/secrets/salt", admin, body)
            assert put.status == 200, put
        return install_id

    def use(self, *key_ids: str) -> None:
        self.world.rewire(SECRETS_KEY_ID=",".join(key_ids))

    def rewrap(self, page_size: int = 100) -> tuple[int, int]:
        """Rewrap page after page; return how many were checked and how many had another key."""
        checked, rewrapped, query = 0, 0, f"page_size={page_size}"
        while True:
            page = self.world.call("POST", "/maintenance/secrets", self.world.admin, query=query)
            assert page.status == 200, page
            assert page.body["checked"] <= page_size
            checked, rewrapped = checked + page.body["checked"], rewrapped + page.body["rewrapped"]
            if page.body["next_cursor"] is None:
                return checked, rewrapped
            query = f"page_size={page_size}&cursor={page.body['next_cursor']}"

    def rows(self) -> list[dict[str, Any]]:
        sql = "select * from app.extension_install_secret order by tenant_id, install_id, name, secret_version"
        return [dict(row) for row in self.world.rows(sql)]

    def opened_with(self, key_id: str) -> list[str | None]:
        """What opens with one key alone: the values, or why not."""
        sealer = Sealer(KmsDataKeys(key_id, AwsApi({**os.environ, **self.world.environment()})))
        found: list[str | None] = []
        for row in self.rows():
            context = secret_context(row["tenant_id"], str(row["install_id"]), row["name"])
            sealed = bytes(row["sealed"])
            refused = code_of(lambda sealed=sealed, context=context: sealer.unseal(sealed, context))  # type: ignore[misc]
            found.append(refused or sealer.unseal(sealed, context).decode())
        return found


@pytest.fixture
def secrets(world: RegistryWorld) -> Secrets:
    return Secrets(world)


ALL = [f"{VALUE} {number}" for _ in TENANTS for number in range(3)]


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 100])
def test_every_secret_opens_with_the_new_key_alone_afterwards(secrets: Secrets, page_size: int) -> None:
    secrets.use(secrets.new, secrets.old)

    assert secrets.rewrap(page_size) == (9, 9)
    assert secrets.opened_with(secrets.new) == ALL
    assert secrets.opened_with(secrets.old) == ["secret_unavailable"] * 9


def test_nothing_else_about_a_secret_changes(secrets: Secrets) -> None:
    # The sweeper looks at the secret's age again, which does no harm.
    changes = {"sealed": None, "look_at": None}
    before = [{**row, **changes} for row in secrets.rows()]
    secrets.use(secrets.new, secrets.old)
    secrets.rewrap()

    assert [{**row, **changes} for row in secrets.rows()] == before


def test_a_secret_that_has_the_key_already_is_left_as_it_is(secrets: Secrets) -> None:
    secrets.use(secrets.new, secrets.old)
    secrets.rewrap()
    before = secrets.rows()

    assert secrets.rewrap() == (9, 0)
    assert secrets.rows() == before


def test_each_rewrapped_secret_is_in_its_tenants_audit_trail(secrets: Secrets) -> None:
    secrets.use(secrets.new, secrets.old)
    secrets.rewrap()
    world = secrets.world
    trail = world.call("GET", "/audit", world.tenant_admin("tenant-b")).body["items"]

    rewraps = [(entry["actor"], entry["after"]) for entry in trail if entry["action"] == "secret.rewrap"]
    assert rewraps == [("platform", {"name": "salt", "version": number}) for number in (3, 2, 1)]


def test_a_secret_that_is_deleted_meanwhile_stays_deleted(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    world = secrets.world
    rewrap = KmsDataKeys.rewrap

    def late(keys: KmsDataKeys, wrapped: bytes, context: dict[str, str]) -> bytes | None:
        again = rewrap(keys, wrapped, context)
        path = f"/installs/{context['install']}/secrets/salt"
        world.call("DELETE", path, world.tenant_admin(context["tenant"]))
        return again

    monkeypatch.setattr(KmsDataKeys, "rewrap", late)
    secrets.use(secrets.new, secrets.old)

    assert secrets.rewrap()[1] == 0
    assert secrets.rows() == []


def test_tenants_beyond_one_page_are_reached(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_rewrapping, "_TENANTS_PER_PAGE", 1)
    secrets.use(secrets.new, secrets.old)

    assert secrets.rewrap() == (9, 9)


def test_while_the_key_service_is_away_nothing_is_changed(secrets: Secrets) -> None:
    before = secrets.rows()
    secrets.world.rewire(SECRETS_KEY_ID=f"{secrets.new},{secrets.old}", AWS_ENDPOINT_URL_KMS="http://127.0.0.1:1")
    refused = secrets.world.call("POST", "/maintenance/secrets", secrets.world.admin)

    assert (refused.code, secrets.rows()) == ("secret_unavailable", before)


def test_without_a_key_no_secret_is_rewrapped(secrets: Secrets) -> None:
    secrets.use("")

    assert secrets.world.call("POST", "/maintenance/secrets", secrets.world.admin).code == "secret_unavailable"


UUID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode_cursor("tenant-a"),
        encode_cursor("tenant-a", UUID, "salt", "one"),
        encode_cursor("tenant-a", UUID, "salt", "9999999999"),
        encode_cursor("tenant-a", "install", "salt", "1"),
    ],
    ids=["no base64", "too short", "no number", "large number", "no uuid"],
)
def test_a_cursor_that_is_none_is_refused(world: RegistryWorld, cursor: str) -> None:
    refused = world.call("POST", "/maintenance/secrets", world.admin, query=f"cursor={cursor}")

    assert (refused.status, refused.code) == (400, "invalid_request")
