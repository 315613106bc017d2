"""A secret that is older than the extension allows is not given to the guest, and the tenant is warned before."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from alga_ext.stores.database import Database
from tests.security.guests.wat_snippets import reader
from tests.support.site import PUBLISHER, Site

EXPIRED = 482
"""``reader`` answers 480 and the number of the case of secret-error; the third is expired."""


class Keeper:
    """An installed extension that reads the secrets ``key`` (at most 30 days old) and ``other`` (of any age)."""

    def __init__(self, site: Site) -> None:
        self._site = site
        secrets: list[dict[str, Any]] = [{"name": "key", "max_age_days": 30}, {"name": "other"}]
        version = site.publish(reader(), secrets=secrets, capabilities=["secrets.get"])
        assert version["state"] == "ready", version["state_reasons"]
        self._name = version["name"]
        granted: dict[str, list[str]] = {secret["name"]: [] for secret in secrets}
        grants = {"capabilities": ["secrets.get"], "egress": [], "secrets": granted, "limits": {}}
        self._install = site.client("acme").install(version["name"], None, grants, {})
        self._references = iter(
            [self._install["install_id"], f"{PUBLISHER}.{self._name}", self._name, version["extension_id"]]
        )

    def put(self, name: str, **members: Any) -> None:
        path = f"/installs/{self._install['install_id']}/secrets/{name}"
        self._site.client("acme").json("PUT", path, {"value": "hunter2 of acme", **members})

    def age(self, by: timedelta) -> None:
        """Let time pass for what is stored."""
        database = Database(self._site.platform.addresses.database)
        with database.system() as tx:
            tx.execute(
                "update app.extension_install_secret set created_at = created_at - cast(:by as interval) "
                "where install_id = cast(:install_id as uuid)",
                by=by,
                install_id=self._install["install_id"],
            )
        database.close()

    def read(self, name: str) -> tuple[int, str]:
        """Call the guest, each time by another reference: the gateway keeps what it resolved for two seconds."""
        reply = self._site.call(next(self._references), method="POST", body=name.encode())
        return reply.status, reply.body.decode()

    def listed(self, name: str) -> dict[str, Any]:
        found = self._site.client("acme").json("GET", f"/installs/{self._install['install_id']}/secrets")
        return next(secret for secret in found if secret["name"] == name)


@pytest.fixture
def keeper(site: Site) -> Keeper:
    return Keeper(site)


def test_a_secret_older_than_the_extension_allows_is_expired_for_the_guest(keeper: Keeper) -> None:
    keeper.put("key")
    keeper.put("other")
    before = keeper.read("key")
    keeper.age(timedelta(days=30))

    assert before == (200, "hunter2 of acme")
    assert keeper.read("key")[0] == EXPIRED
    assert keeper.read("other") == (200, "hunter2 of acme"), "it has no maximum age"


def test_a_new_value_is_given_again(keeper: Keeper) -> None:
    keeper.put("key")
    keeper.age(timedelta(days=31))
    expired = keeper.read("key")[0]
    keeper.put("key")

    assert (expired, keeper.read("key")[0]) == (EXPIRED, 200)


def test_the_list_warns_fourteen_days_before(keeper: Keeper) -> None:
    keeper.put("key")
    states = []
    for days in (15, 2, 13):
        keeper.age(timedelta(days=days))
        states.append(keeper.listed("key")["state"])

    assert states == ["set", "expiring", "expired"]
    listed = keeper.listed("key")
    age = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert (age, listed["max_age_days"]) == (timedelta(days=30), 30)


@pytest.mark.parametrize(("own_s", "days"), [(86_400, 1), (86_400 * 60, 30)], ids=["lower", "higher"])
def test_the_tenants_own_maximum_age_counts_where_it_is_the_lower_one(keeper: Keeper, own_s: int, days: int) -> None:
    keeper.put("key", max_age_s=own_s)
    listed = keeper.listed("key")
    age = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])

    assert abs(age - timedelta(days=days)) < timedelta(minutes=5)
