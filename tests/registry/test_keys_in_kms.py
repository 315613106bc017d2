"""The platform's keys in KMS: signatures of a P-256 key that never leaves it, data keys bound to their context."""

import base64
import hashlib
import json
import os
from datetime import timedelta

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.aws import KmsSigner
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys
from alga_ext.stores.sealing import Sealer
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer
from alga_ext.trust.withdrawn_list import sign_list, verify_list
from tests.support.answering import Reply, answering
from tests.support.keys import trust_in, trusted
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


@pytest.mark.parametrize("count", [0, 1, 50])
def test_a_list_of_withdrawn_bundles_signed_by_kms_verifies(world: RegistryWorld, count: int) -> None:
    signer, now = world.kms_signer(), world.services.now()
    hashes = {f"{number:064x}" for number in range(count)}
    envelope = sign_list(hashes, signer, now, timedelta(hours=1))

    assert verify_list(envelope, trust_in(trusted(signer, use="release")), now).hashes == hashes


@pytest.mark.usefixtures("world")  # it has the credentials
@pytest.mark.parametrize(("size", "kind"), [(4_096, "RAW"), (4_097, "DIGEST"), (9_000_000, "DIGEST")])
def test_of_a_message_that_is_too_long_for_kms_the_digest_is_signed(
    monkeypatch: pytest.MonkeyPatch, size: int, kind: str
) -> None:
    """An answering server in the place of KMS, because moto signs a digest as if it were the message."""
    message = b"x" * size
    answer = json.dumps({"Signature": base64.b64encode(b"signature").decode()}).encode()
    with answering(lambda _: Reply(200, answer)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        signature = KmsSigner("key").sign(message)
    asked = json.loads(server.asked[0].body)

    sent = message if kind == "RAW" else hashlib.sha256(message).digest()
    assert signature == b"signature"
    assert (asked["MessageType"], asked["SigningAlgorithm"]) == (kind, "ECDSA_SHA_256")
    assert base64.b64decode(asked["Message"]) == sent


def test_a_key_kms_does_not_have_is_unavailable(world: RegistryWorld) -> None:
    signer = KmsSigner(f"arn:aws:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000000")

    with pytest.raises(PlatformError) as refusal:
        signer.key_id  # noqa: B018 - asking for it fetches the public half

    assert refusal.value.code == "signer_unavailable"


def test_what_is_sealed_opens_with_its_context(world: RegistryWorld) -> None:
    sealer = Sealer(KmsDataKeys(world.secrets_key_id, AwsApi(os.environ)))

    assert sealer.unseal(sealer.seal(b"value", {"tenant": "a"}), {"tenant": "a"}) == b"value"


def test_what_is_sealed_stays_shut_for_another_context(world: RegistryWorld) -> None:
    sealer = Sealer(KmsDataKeys(world.secrets_key_id, AwsApi(os.environ)))
    sealed = sealer.seal(b"value", {"tenant": "a"})

    with pytest.raises(PlatformError, match="secret_unavailable"):
        sealer.unseal(sealed, {"tenant": "b"})


def test_no_secret_is_stored_without_a_key(world: RegistryWorld) -> None:
    world.rewire(SECRETS_KEY_ID="")

    with pytest.raises(PlatformError, match="secret_unavailable"):
        world.services.sealer()
