"""Statements say one thing about one subject, and are read without leniency."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.trust.statements import ArtifactRecord, Release, ReleaseRecord, read_statement, statement
from tests.support.keys import SHA
from tests.support.refusals import code_of

RELEASE = Release(publisher="acme", name="com.acme.notes", version="1.0.0")
RECORD = ReleaseRecord(
    publisher="acme", name="com.acme.notes", version="1.0.0", key_id="sha256:1", published_at="2026-06-01T00:00:00Z"
)
ARTIFACT = ArtifactRecord(component_sha256=SHA, wasmtime_version="50.0.1", engine_config_hash="cd", target="x86_64")


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(statement(RELEASE, "bundle.tar.zst", SHA)), **members}).encode()


@pytest.mark.parametrize("predicate", [RELEASE, RECORD, ARTIFACT])
def test_a_statement_reads_back(predicate: Any) -> None:
    assert read_statement(statement(predicate, "bundle.tar.zst", SHA), type(predicate), SHA) == predicate


def test_a_statement_is_written_in_one_form() -> None:
    assert statement(RELEASE, "b.zst", SHA) == (
        b'{"_type":"https://in-toto.io/Statement/v1",'
        b'"predicate":{"name":"com.acme.notes","publisher":"acme","version":"1.0.0"},'
        b'"predicateType":"https://alga.dev/extension/release/v1",'
        b'"subject":[{"digest":{"sha256":"' + SHA.encode() + b'"},"name":"b.zst"}]}'
    )


def test_of_several_wrong_members_of_a_predicate_the_first_is_named() -> None:
    made = changed(predicate={"publisher": 1, "name": "com.acme.notes", "version": 2})

    with pytest.raises(PlatformError, match="predicate is not valid at publisher: "):
        read_statement(made, Release, SHA)


def test_a_statement_about_other_bytes_is_refused() -> None:
    assert code_of(lambda: read_statement(statement(RELEASE, "b", SHA), Release, "cd" * 32)) == "bundle_hash_mismatch"


@pytest.mark.parametrize(("made", "read"), [(RELEASE, ReleaseRecord), (RECORD, ArtifactRecord), (ARTIFACT, Release)])
def test_a_statement_of_another_kind_is_refused(made: Any, read: type[Release]) -> None:
    assert code_of(lambda: read_statement(statement(made, "b", SHA), read, SHA)) == "signature_malformed"


SUBJECT = {"name": "b", "digest": {"sha256": SHA}}


@pytest.mark.parametrize(
    "members",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"}, {"_type": None}, {"extra": 1}, {"subject": []},
        {"subject": None},
        {"subject": [SUBJECT, SUBJECT]}, {"subject": {"0": SUBJECT}}, {"subject": [{"name": "b"}]}, {"subject": "b"},
        {"subject": [{**SUBJECT, "uri": "x"}]}, {"subject": [{**SUBJECT, "digest": {"sha256": SHA, "sha512": "x"}}]},
        {"subject": [{**SUBJECT, "digest": {"sha256": [SHA]}}]}, {"subject": [{"digest": {"sha256": SHA}}]},
        {"predicateType": None}, {"predicateType": ["x"]}, {"predicate": None}, {"predicate": []}, {"predicate": {}},
        {"predicate": {"publisher": "acme", "name": "x"}},
        {"predicate": {**msgspec.structs.asdict(RELEASE), "extra": 1}},
        {"predicate": {**msgspec.structs.asdict(RELEASE), "version": 1}},
    ],
)  # fmt: skip
def test_a_statement_of_another_shape_is_refused(members: dict[str, Any]) -> None:
    assert code_of(lambda: read_statement(changed(**members), Release, SHA)) == "signature_malformed"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"subject":[{"digest":[]}],"predicateType":1}',
    ],
)
def test_a_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    assert code_of(lambda: read_statement(payload, Release, SHA)) == "signature_malformed"


def test_a_member_that_stands_twice_is_refused() -> None:
    twice = b'{"predicate":{},' + changed()[1:]

    assert code_of(lambda: read_statement(twice, Release, SHA)) == "signature_malformed"


HASHES = [
    (RECORD, "component_sha256"), (RECORD, "ui_index_sha256"), (ARTIFACT, "component_sha256"),
]  # fmt: skip


@pytest.mark.parametrize(("predicate", "member"), HASHES)
@pytest.mark.parametrize(
    "digest",
    [
        "",
        "AB" * 32,
        SHA[1:],
        SHA + "a",
        "xx" + SHA,
        SHA + "xx",
        SHA + "\n",
        " " + SHA,
        "sha256:" + SHA,
        "g" * 64,
        0,
        [SHA],
    ],
)
def test_a_hash_in_a_record_is_64_hex_digits_and_nothing_before_or_after(
    predicate: Any, member: str, digest: object
) -> None:
    made = json.loads(statement(predicate, "b", SHA))
    made["predicate"][member] = digest

    assert code_of(lambda: read_statement(json.dumps(made).encode(), type(predicate), SHA)) == "signature_malformed"


@pytest.mark.parametrize(
    ("predicate", "member"),
    [
        (predicate, field.name)
        for predicate in (RELEASE, RECORD, ARTIFACT)
        for field in msgspec.structs.fields(type(predicate))
        if field.required
    ],
)
def test_a_statement_without_a_member_of_its_predicate_is_refused(predicate: Any, member: str) -> None:
    made = json.loads(statement(predicate, "b", SHA))
    del made["predicate"][member]

    assert code_of(lambda: read_statement(json.dumps(made).encode(), type(predicate), SHA)) == "signature_malformed"


@pytest.mark.parametrize("predicate", [RELEASE, RECORD, ARTIFACT])
@pytest.mark.parametrize("member", ["extra", "publisherr", "valid_until", "Publisher", ""])
def test_an_unknown_member_of_any_predicate_is_refused(predicate: Any, member: str) -> None:
    made = json.loads(statement(predicate, "b", SHA))
    made["predicate"][member] = "x"

    assert code_of(lambda: read_statement(json.dumps(made).encode(), type(predicate), SHA)) == "signature_malformed"


@pytest.mark.parametrize(
    ("predicate", "member"),
    [(predicate, name) for predicate in (RELEASE, RECORD, ARTIFACT) for name in predicate.__struct_fields__],
)
@pytest.mark.parametrize("value", [1, True, ["x"], {"x": "x"}, 1.5])
def test_a_member_of_another_type_of_any_predicate_is_refused(predicate: Any, member: str, value: object) -> None:
    made = json.loads(statement(predicate, "b", SHA))
    made["predicate"][member] = value

    assert code_of(lambda: read_statement(json.dumps(made).encode(), type(predicate), SHA)) == "signature_malformed"


@pytest.mark.parametrize("member", ["_type", "subject", "predicateType", "predicate"])
def test_a_statement_without_one_of_its_members_is_refused(member: str) -> None:
    made = json.loads(statement(RELEASE, "b", SHA))
    del made[member]

    assert code_of(lambda: read_statement(json.dumps(made).encode(), Release, SHA)) == "signature_malformed"


@pytest.mark.parametrize("digest", [SHA[:-1], SHA + "a", SHA.upper(), " " + SHA, SHA + "\n", ""])
def test_a_subject_whose_hash_is_written_otherwise_is_other_bytes(digest: str) -> None:
    made = changed(subject=[{"name": "b", "digest": {"sha256": digest}}])

    assert code_of(lambda: read_statement(made, Release, SHA)) == "bundle_hash_mismatch"


@pytest.mark.parametrize("end", ["x", "/v1", "\n"])
def test_a_type_with_something_before_or_after_it_is_another_type(end: str) -> None:
    types = json.loads(statement(RELEASE, "b", SHA))
    for name in ("_type", "predicateType"):
        for value in (types[name] + end, end + types[name]):
            made = changed(**{name: value})
            assert code_of(partial(read_statement, made, Release, SHA)) == "signature_malformed"


def test_the_types_of_statements_are_these() -> None:
    """Signed documents are kept for good, so a changed name would make all of them unreadable."""
    found = [json.loads(statement(predicate, "b", SHA)) for predicate in (RELEASE, RECORD, ARTIFACT)]

    assert {document["_type"] for document in found} == {"https://in-toto.io/Statement/v1"}
    assert [document["predicateType"] for document in found] == [
        "https://alga.dev/extension/release/v1",
        "https://alga.dev/extension/release-record/v1",
        "https://alga.dev/extension/artifact/v1",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_our_words(payload: bytes) -> None:
    assert code_of(lambda: read_statement(payload, Release, SHA)) == "signature_malformed"
