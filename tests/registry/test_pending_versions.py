"""A version that is still pending can be rejected by its owner and by the operator."""

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld, manifest_of


def pending(world: RegistryWorld) -> dict[str, str]:
    world.register()
    sent: dict[str, str] = world.send(world.signed(manifest_of())).body
    assert sent["state"] == "pending"
    return sent


@pytest.mark.parametrize("move", ["yank", "withdraw"])
@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_owner_and_operator_reject_a_pending_version(world: RegistryWorld, move: str, caller: str) -> None:
    version = pending(world)
    path = f"/versions/{version['version_id']}"

    moved = world.call("POST", f"{path}/{move}", getattr(world, caller), {"reason": "wrong file"})

    assert (moved.status, moved.body["state"]) == (200, "rejected")
    assert moved.body["state_reasons"] == [{"code": "version.rejected", "detail": "wrong file"}]
    (leaf,) = world.rows("select entry from app.transparency_leaf where kind = 'version.rejected'")
    assert '"reason":"wrong file"' in leaf["entry"]
    assert world.call("POST", f"{path}/{move}", world.admin, {"reason": "again"}).code == "version_state"


def test_a_rejected_version_stays_so_when_its_preparation_ends_later(world: RegistryWorld) -> None:
    version = pending(world)
    world.call("POST", f"/versions/{version['version_id']}/withdraw", world.publisher, {"reason": "r"})

    assert world.prepare() == ["rejected"]

    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})
    assert (refused.status, refused.code) == (409, "version_not_ready")
    digits = version["content_hash"].removeprefix("sha256:")
    assert digits in world.withdrawn()


def test_another_publisher_cannot_reject_a_pending_version(world: RegistryWorld) -> None:
    version = pending(world)
    world.register("globex", LocalSigner.generate())
    other = world.token(sub="dev", roles=["publisher"], publishers=["globex"])

    for move in ("yank", "withdraw"):
        refused = world.call("POST", f"/versions/{version['version_id']}/{move}", other, {"reason": "r"})
        assert (refused.status, refused.code) == (403, "forbidden")
    assert world.prepare() == ["ready"]


def test_a_pending_version_cannot_be_unyanked(world: RegistryWorld) -> None:
    version = pending(world)

    refused = world.call("POST", f"/versions/{version['version_id']}/unyank", world.publisher, {"reason": "r"})

    assert (refused.status, refused.code) == (409, "version_state")
