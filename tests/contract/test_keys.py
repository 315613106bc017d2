"""One set of cases for every signer, and for sealing with data keys: local ones and those of KMS (as moto has it).

Messages stay within the 4096 bytes that KMS signs as they are: moto hashes a given digest once more, KMS does not.
"""

import json
import os
import struct
from collections.abc import Mapping

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.stores.aws import KmsSigner
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys
from alga_ext.stores.sealing import SECRET_LIMIT_BYTES, DataKey, Sealer, rewrapped, secret_context
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer, sign_envelope
from tests.contract.conftest import AWS_ENVIRONMENT
from tests.support.answering import Reply, answering
from tests.support.keys import NOW, P256Signer, trust_in, trusted
from tests.support.refusals import code_of


@pytest.fixture(params=["ed25519", "p256", "kms"])
def signer(request: pytest.FixtureRequest) -> Signer:
    if request.param == "ed25519":
        return LocalSigner.generate()
    if request.param == "p256":
        return P256Signer()
    request.getfixturevalue("aws")
    key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return KmsSigner(key["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize("message", [b"x", bytes(range(256)) * 16])
def test_a_signature_verifies_with_the_signers_public_key(signer: Signer, message: bytes) -> None:
    key = PublicKey.from_pem(signer.public_pem)

    assert key.key_id == signer.key_id
    assert key.verify(signer.sign(message), message)
    assert not key.verify(signer.sign(message), message + b"!")


def test_an_envelope_is_accepted_as_far_as_its_signer_is_trusted(signer: Signer) -> None:
    envelope = sign_envelope(signer, b"{}")
    trust = trust_in(trusted(signer, use="release"))

    assert trust.verify(envelope, use="release", publisher="", at=NOW).payload == b"{}"
    assert code_of(lambda: trust.verify(envelope, use="artifact", publisher="", at=NOW)) == "key_not_allowed"


def test_a_signing_key_that_cannot_be_reached_is_unavailable(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signer = KmsSigner(key)
    boto3.client("kms").disable_key(KeyId=key)

    assert code_of(lambda: KmsSigner("00000000-0000-0000-0000-000000000000").key_id) == "signer_unavailable"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert code_of(lambda: KmsSigner(key).key_id) == "signer_unavailable"
    assert code_of(lambda: signer.sign(b"x")) in (None, "signer_unavailable")  # moto signs with a disabled key


# Sealing


class LocalDataKeys:
    """Data keys for tests, wrapped by nothing but their context: a different context does not find them."""

    def __init__(self) -> None:
        self._keys: dict[bytes, tuple[dict[str, str], bytes]] = {}

    def generate(self, context: Mapping[str, str]) -> DataKey:
        wrapped = b"key-%d" % len(self._keys)
        self._keys[wrapped] = (dict(context), bytes([len(self._keys) % 256]) * 32)
        return DataKey(self._keys[wrapped][1], wrapped)

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        made_for, plain = self._keys.get(wrapped, ({}, b""))
        if made_for != dict(context):
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.")
        return plain


@pytest.fixture(params=["local", "kms"])
def sealer(request: pytest.FixtureRequest) -> Sealer:
    if request.param == "local":
        return Sealer(LocalDataKeys())
    request.getfixturevalue("aws")
    return Sealer(KmsDataKeys(boto3.client("kms").create_key()["KeyMetadata"]["KeyId"], AwsApi(os.environ)))


PLACE = secret_context("acme", "install-1", "API_KEY")


def kms_key() -> str:
    return str(boto3.client("kms").create_key()["KeyMetadata"]["KeyId"])


def kms(*key_ids: str) -> KmsDataKeys:
    return KmsDataKeys(",".join(key_ids), AwsApi(os.environ))


def test_while_a_kms_key_is_replaced_both_open_and_the_first_seals(aws: str) -> None:
    old, new = kms_key(), kms_key()
    sealed_before = Sealer(kms(old)).seal(b"secret", PLACE)
    sealed_after = Sealer(kms(new, old)).seal(b"secret", PLACE)

    assert [Sealer(kms(new, old)).unseal(sealed, PLACE) for sealed in (sealed_before, sealed_after)] == [b"secret"] * 2
    assert code_of(lambda: Sealer(kms(new)).unseal(sealed_before, PLACE)) == "secret_unavailable"
    assert code_of(lambda: Sealer(kms(old)).unseal(sealed_after, PLACE)) == "secret_unavailable"


def test_a_secret_whose_data_key_is_wrapped_again_opens_with_the_new_key_alone(aws: str) -> None:
    old, new = kms_key(), kms_key()
    sealed = Sealer(kms(old)).seal(b"secret", PLACE)
    again = rewrapped(sealed, lambda wrapped: kms(new, old).rewrap(wrapped, PLACE))

    assert again is not None
    assert Sealer(kms(new)).unseal(again, PLACE) == b"secret"
    assert rewrapped(again, lambda wrapped: kms(new, old).rewrap(wrapped, PLACE)) is None, "it has the key already"


def test_a_data_key_is_not_wrapped_again_for_another_place(aws: str) -> None:
    old, new = kms_key(), kms_key()
    sealed = Sealer(kms(old)).seal(b"secret", PLACE)
    elsewhere = secret_context("globex", "install-1", "API_KEY")

    refused = code_of(lambda: rewrapped(sealed, lambda wrapped: kms(new, old).rewrap(wrapped, elsewhere)))
    assert refused == "secret_unavailable"


def test_a_key_service_that_cannot_be_reached_is_not_asked_for_every_key() -> None:
    with answering(lambda _: Reply(200, None)) as server:
        keys = KmsDataKeys("one,two", AwsApi({**AWS_ENVIRONMENT, "AWS_ENDPOINT_URL": server.url}))

        assert code_of(lambda: keys.unwrap(b"x", PLACE)) == "secret_unavailable"
        assert {json.loads(asked.body)["KeyId"] for asked in server.asked} == {"one"}


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"secret", b"\x01\x00\x00" + b"x" * 12])
def test_what_is_no_sealed_secret_is_not_wrapped_again(sealed: bytes) -> None:
    assert code_of(lambda: rewrapped(sealed, lambda wrapped: wrapped)) == "secret_unavailable"


@pytest.mark.parametrize("plain", [b"", b"x", bytes(range(256)) * 16, "schlüssel".encode(), b"x" * SECRET_LIMIT_BYTES])
def test_what_is_sealed_opens_in_its_place(sealer: Sealer, plain: bytes) -> None:
    sealed = sealer.seal(plain, PLACE)

    assert sealer.unseal(sealed, PLACE) == plain
    assert len(plain) < 16 or plain not in sealed


@pytest.mark.parametrize(
    "elsewhere",
    [
        secret_context("globex", "install-1", "API_KEY"),
        secret_context("acme", "install-2", "API_KEY"),
        secret_context("acme", "install-1", "OTHER"),
        {},
        {**PLACE, "more": "x"},
        {"tenant": "acme", "install": "install-1"},
    ],
)
def test_a_secret_moved_to_another_place_does_not_open(sealer: Sealer, elsewhere: dict[str, str]) -> None:
    sealed = sealer.seal(b"secret", PLACE)

    assert code_of(lambda: sealer.unseal(sealed, elsewhere)) == "secret_unavailable"


def test_the_same_secret_is_sealed_otherwise_each_time(sealer: Sealer) -> None:
    assert sealer.seal(b"secret", PLACE) != sealer.seal(b"secret", PLACE)


def test_a_secret_over_its_size_is_refused(sealer: Sealer) -> None:
    assert code_of(lambda: sealer.seal(b"x" * (SECRET_LIMIT_BYTES + 1), PLACE)) == "payload_too_large"


def test_plain_text_is_never_taken_for_a_sealed_secret(sealer: Sealer) -> None:
    for plain in (
        b"",
        b"\x01",
        b"secret",
        b"\x01\x00",
        b"\x01\xff\xff",
        b"\x01\x00\x00" + b"x" * 40,
        b"\x00" + b"x" * 80,
    ):
        assert code_of(lambda plain=plain: sealer.unseal(plain, PLACE)) == "secret_unavailable"  # type: ignore[misc]


LOCAL = Sealer(LocalDataKeys())
SEALED = LOCAL.seal(b"a secret of some length", PLACE)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_one_changed_byte_of_a_sealed_secret_does_not_open(position: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= change

    assert code_of(lambda: LOCAL.unseal(bytes(changed), PLACE)) == "secret_unavailable"


@given(st.integers(0, len(SEALED) - 1))
def test_a_sealed_secret_cut_short_does_not_open(length: int) -> None:
    assert code_of(lambda: LOCAL.unseal(SEALED[:length], PLACE)) == "secret_unavailable"


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_in_our_words(data: bytes) -> None:
    assert code_of(lambda: LOCAL.unseal(data, PLACE)) == "secret_unavailable"


def test_the_form_of_a_sealed_secret_stays_readable() -> None:
    (length,) = struct.unpack(">H", SEALED[1:3])

    assert SEALED[:1] == b"\x01"
    assert SEALED[3 : 3 + length] == b"key-0"
