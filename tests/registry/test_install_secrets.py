"""Secrets of an install: sealed, versioned, never shown."""

import pytest

from tests.support.registry import RegistryWorld
from tests.support.server_extension import put_secret


def test_a_secret_is_sealed_and_never_shown(published: RegistryWorld) -> None:
    install = published.install()

    shown = put_secret(published, install, "api-key", value="hunter2")

    (row,) = published.rows("select sealed from app.extension_install_secret")
    assert (shown.body["state"], shown.body["version"]) == ("set", 1)
    assert "hunter2" not in str(shown.body)
    assert b"hunter2" not in row["sealed"]


def test_a_sealed_secret_opens_for_its_own_place_only(published: RegistryWorld) -> None:
    from alga_ext.errors import PlatformError
    from alga_ext.stores.sealing import secret_context

    install = published.install()
    put_secret(published, install, "api-key", value="hunter2")
    (row,) = published.rows("select sealed from app.extension_install_secret")

    assert (
        published.services.sealer().unseal(row["sealed"], secret_context("tenant-a", install["install_id"], "api-key"))
        == b"hunter2"
    )
    for place in (("tenant-b", install["install_id"], "api-key"), ("tenant-a", install["install_id"], "salt")):
        with pytest.raises(PlatformError, match="secret_unavailable"):
            published.services.sealer().unseal(row["sealed"], secret_context(*place))


def test_an_undeclared_secret_is_refused(published: RegistryWorld) -> None:
    refused = put_secret(published, published.install(), "other", value="x")

    assert (refused.status, refused.code) == (400, "secret_not_declared")


def test_a_second_value_is_the_next_version(published: RegistryWorld) -> None:
    install = published.install()
    put_secret(published, install, "salt", value="one")

    assert put_secret(published, install, "salt", value="two").body["version"] == 2


def test_a_maximum_age_beyond_ten_years_is_refused(published: RegistryWorld) -> None:
    install = published.install()

    refused = put_secret(published, install, "salt", value="one", max_age_s=10**15)

    assert (refused.status, refused.code) == (400, "invalid_request")


def test_an_expired_secret_shows_as_expired(published: RegistryWorld) -> None:
    install = published.install()
    put_secret(published, install, "salt", value="one", max_age_s=60)
    from alga_ext.stores.database import Database

    owner = Database(published.databases.owner)
    with owner.system() as tx:
        tx.execute("update app.extension_install_secret set expires_at = now() - interval '1 second'")
    owner.close()

    shown = published.call("GET", f"/installs/{install['install_id']}/secrets", published.tenant_viewer()).body

    assert {secret["name"]: secret["state"] for secret in shown} == {"api-key": "missing", "salt": "expired"}
