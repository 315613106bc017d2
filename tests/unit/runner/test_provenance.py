"""Which compiled program may be loaded, and which signed object was at fault when none may."""

import json
from typing import Any

import msgspec
import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, ReleaseRecord, statement
from functions.runner.provenance import Engine, accepted_code, accepted_component
from tests.support.keys import ACME, NOW, SHA, revoked, trust_in, trusted

REGISTRY, PREPARE = LocalSigner.generate(), LocalSigner.generate()
TRUST = trust_in(trusted(REGISTRY, use="release"), trusted(PREPARE, use="artifact"), trusted(ACME))
COMPONENT, CODE = "cd" * 32, "ef" * 32
ENGINE = Engine("50.0.1", "c" * 64, "x86_64-unknown-linux-gnu")
MADE = ArtifactRecord(
    component_sha256=COMPONENT,
    wasmtime_version=ENGINE.wasmtime_version,
    engine_config_hash=ENGINE.config_hash,
    target=ENGINE.target,
)
RELEASE = ReleaseRecord(
    publisher="acme",
    name="com.acme.notes",
    version="1.0.0",
    key_id=ACME.key_id,
    published_at=NOW.isoformat(),
    component_sha256=COMPONENT,
)


def artifact(signer: LocalSigner = PREPARE, **members: Any) -> bytes:
    return sign_envelope(signer, statement(msgspec.structs.replace(MADE, **members), "x.cwasm", CODE))


def context_of_refusal(record: bytes, trust: TrustBundle = TRUST) -> dict[str, Any]:
    with pytest.raises(PlatformError) as refused:
        accepted_code(record, COMPONENT, ENGINE, trust, NOW)
    return {"code": refused.value.code, **refused.value.context}


def refusal(record: bytes, trust: TrustBundle = TRUST) -> tuple[str, str, str]:
    """Return code, fault and cause."""
    context = context_of_refusal(record, trust)
    return str(context["code"]), str(context["fault"]), str(context.get("cause", ""))


def test_code_that_the_platform_made_for_this_engine_is_accepted() -> None:
    assert accepted_code(artifact(), COMPONENT, ENGINE, TRUST, NOW) == CODE


@pytest.mark.parametrize(
    "members",
    [
        {"component_sha256": SHA},
        {"wasmtime_version": "50.0.2"},
        {"engine_config_hash": "d" * 64},
        {"target": "aarch64-unknown-linux-gnu"},
        {"target": ENGINE.config_hash, "engine_config_hash": ENGINE.target},
    ],
    ids=str,
)
def test_code_of_another_component_or_engine_is_refused(members: dict[str, str]) -> None:
    assert refusal(artifact(PREPARE, **members)) == ("artifact_integrity", "artifact_engine", "")


@pytest.mark.parametrize(
    ("signer", "cause"),
    [(REGISTRY, "key_not_allowed"), (ACME, "key_not_allowed"), (LocalSigner.generate(), "key_unknown")],
    ids=["release key", "publisher's key", "unknown key"],
)
def test_a_record_by_another_key_is_refused(signer: LocalSigner, cause: str) -> None:
    assert refusal(artifact(signer)) == ("artifact_integrity", "artifact_record", cause)


def test_a_record_by_a_key_that_is_revoked_now_is_refused() -> None:
    trust = TRUST.extended([], [revoked(PREPARE, NOW)])

    assert refusal(artifact(), trust) == ("artifact_integrity", "artifact_record", "key_revoked")


def test_a_release_record_is_no_artifact_record() -> None:
    record = sign_envelope(PREPARE, statement(RELEASE, "bundle.tar.zst", CODE))

    assert refusal(record) == ("artifact_integrity", "artifact_record", "signature_malformed")


@pytest.mark.parametrize(
    "subject", [None, [], [{}], [{"name": "x"}], [{"name": "x", "digest": {}}], "x", {"0": 1},
                [{"name": "x", "digest": {"sha256": 1}}], [{"name": "x", "digest": {"sha256": None}}], [1],
                [{}, {"name": "x", "digest": {"sha256": CODE}}]]
)  # fmt: skip
def test_a_record_without_a_subject_is_refused(subject: Any) -> None:
    document = {**json.loads(statement(MADE, "x.cwasm", CODE)), "subject": subject}
    record = sign_envelope(PREPARE, json.dumps(document).encode())

    assert "subject" in context_of_refusal(record)["why"]
    assert refusal(record) == ("artifact_integrity", "artifact_record", "signature_malformed")


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{}", b"\xff"])
def test_a_signed_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    assert refusal(sign_envelope(PREPARE, payload)) == ("artifact_integrity", "artifact_record", "signature_malformed")


def release(**members: Any) -> bytes:
    return sign_envelope(REGISTRY, statement(msgspec.structs.replace(RELEASE, **members), "bundle.tar.zst", SHA))


def test_the_component_is_the_one_that_the_registry_accepted() -> None:
    assert accepted_component(release(), SHA, TRUST, NOW) == COMPONENT


def test_a_release_without_a_component_has_no_code() -> None:
    with pytest.raises(PlatformError) as refused:
        accepted_component(release(component_sha256=None), SHA, TRUST, NOW)
    assert refused.value.code == "artifact_not_found"


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (sign_envelope(ACME, statement(RELEASE, "bundle.tar.zst", SHA)), "release_record"),
        (release(published_at="yesterday"), "release_record"),
        (release(key_id=PREPARE.key_id), "publisher_key"),
    ],
    ids=["another key", "no instant", "revoked publisher's key"],
)
def test_a_release_that_is_refused_says_which_object_is_at_fault(record: bytes, fault: str) -> None:
    trust = TRUST.extended([], [revoked(PREPARE, NOW)])

    with pytest.raises(PlatformError) as refused:
        accepted_component(record, SHA, trust, NOW)
    assert (refused.value.code, refused.value.context["fault"]) == ("artifact_integrity", fault)
