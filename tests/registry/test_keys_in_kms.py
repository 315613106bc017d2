"""The platform's keys in KMS: signatures of a P-256 key that never leaves it, data keys bound to their context."""

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.aws import KmsDataKeys, KmsSigner
from alga_ext.stores.sealing import Sealer
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer
from tests.support.registry import REGION, RegistryWorld


@pytest.fixture(params=["local Ed25519", "KMS P-256"])
def signer(request: pytest.FixtureRequest, world: RegistryWorld) -> Signer:
    if request.param == "local Ed25519":
        return LocalSigner.generate()
    return world.kms_signer()


def test_a_signature_verifies_with_the_signers_public_key(signer: Signer) -> None:
    signature = signer.sign(b"message")

    assert PublicKey.from_pem(signer.public_pem).verify(signature, b"message")


def test_a_signature_does_not_verify_for_another_message(signer: Signer) -> None:
    signature = signer.sign(b"message")

    assert not PublicKey.from_pem(signer.public_pem).verify(signature, b"another")


def test_the_key_id_is_that_of_the_public_key(signer: Signer) -> None:
    assert PublicKey.from_pem(signer.public_pem).key_id == signer.key_id


def test_a_version_attested_by_kms_installs(world: RegistryWorld) -> None:
    world.release = world.kms_signer()
    world.register()
    world.publish()

    assert world.install()["state"] == "enabled"


def test_a_key_kms_does_not_have_is_unavailable(world: RegistryWorld) -> None:
    signer = KmsSigner(f"arn:aws:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000000")

    with pytest.raises(PlatformError) as refusal:
        signer.key_id  # noqa: B018 - asking for it fetches the public half

    assert refusal.value.code == "signer_unavailable"


def test_what_is_sealed_opens_with_its_context(world: RegistryWorld) -> None:
    sealer = Sealer(KmsDataKeys(world.secrets_key_id))

    assert sealer.unseal(sealer.seal(b"value", {"tenant": "a"}), {"tenant": "a"}) == b"value"


def test_what_is_sealed_stays_shut_for_another_context(world: RegistryWorld) -> None:
    sealer = Sealer(KmsDataKeys(world.secrets_key_id))
    sealed = sealer.seal(b"value", {"tenant": "a"})

    with pytest.raises(PlatformError, match="secret_unavailable"):
        sealer.unseal(sealed, {"tenant": "b"})


def test_no_secret_is_stored_without_a_key(world: RegistryWorld) -> None:
    world.rewire(SECRETS_KEY_ID="")

    with pytest.raises(PlatformError, match="secret_unavailable"):
        world.services.sealer()
