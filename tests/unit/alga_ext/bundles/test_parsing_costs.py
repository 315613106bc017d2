"""The most awkward documents that are let in cost bounded memory and time; larger ones cost next to nothing."""

import base64
import json
from collections.abc import Callable

import pytest

from alga_ext.bundles.manifest import MANIFEST_LIMIT_BYTES, parse_manifest
from alga_ext.errors import PlatformError
from alga_ext.trust.log_proof import PROOF_LIMIT_BYTES, verify_proof
from alga_ext.trust.signing import ENVELOPE_LIMIT_BYTES, STATEMENT_PAYLOAD_TYPE, PublicKey, parse_envelope
from alga_ext.trust.statements import Release, read_statement
from alga_ext.trust.trust_document import TRUST_BUNDLE_LIMIT_BYTES, parse_trust_bundle
from tests.support.keys import ACME, SHA
from tests.support.measures import cpu_s_of, peak_bytes_of

MIB = 1 << 20
PEAK_BYTES, CPU_S = 64 * MIB, 10.0
"""For one document of at most 1 MiB.

Three characters of JSON can be an object of 56 bytes, so parsing alone may take 20 times the document. Half a second
is usual for the worst of them; whatever works through 300,000 members in a square takes hours.
"""

KEY = PublicKey.from_pem(ACME.public_pem)
READERS: dict[str, tuple[int, Callable[[bytes], object]]] = {
    "manifest": (MANIFEST_LIMIT_BYTES, parse_manifest),
    "envelope": (ENVELOPE_LIMIT_BYTES, parse_envelope),
    "statement": (ENVELOPE_LIMIT_BYTES, lambda data: read_statement(data, Release, SHA)),
    "trust bundle": (TRUST_BUNDLE_LIMIT_BYTES, lambda data: parse_trust_bundle(data.decode("latin-1"))),
    "log proof": (PROOF_LIMIT_BYTES, lambda data: verify_proof(data, KEY)),
}


def full(size: int, begin: bytes, repeated: bytes, end: bytes = b"") -> bytes:
    """Return a document of at most ``size`` bytes with something as often as it goes."""
    return begin + repeated * ((size - len(begin) - len(end)) // len(repeated)) + end


DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "nested lists": lambda size: b"[" * size,
    "nested objects": lambda size: full(size, b"", b'{"a":'),
    "a list of numbers": lambda size: full(size, b"[0", b",0", b"]"),
    "empty lists": lambda size: full(size, b"[[]", b",[]", b"]"),
    "one member again and again": lambda size: full(size, b'{"a":0', b',"a":0', b"}"),
    "one long text": lambda size: full(size, b'{"name":"', b"a", b'"}'),
    "escapes": lambda size: full(size, b'{"name":"', b"\\u0041", b'"}'),
    "a number with many digits": lambda size: full(size, b'{"version":', b"9", b"}"),
    "keys": lambda size: full(size, b'{"version":1,"keys":[{}', b",{}", b"]}"),
    "hashes": lambda size: full(
        size, b'{"leaf_index":0,"entry":"","tree_size":1,"head":{},"proof":["0"', b',"' + b"a" * 64 + b'"', b"]}"
    ),
    "capabilities": lambda size: full(size, b'{"name":"com.acme.x","capabilities":["a"', b',"a"', b"]}"),
    "secrets": lambda size: full(size, b'{"name":"com.acme.x","secrets":[0', b",0", b"]}"),
    "hosts of a secret": lambda size: full(size, b'{"secrets":[{"name":"a","hosts":[0', b",0", b"]}]}"),
    "members that do not exist": lambda size: (
        b"{" + b",".join(b'"%d":0' % number for number in range(size // 12)) + b"}"
    ),
    "endpoints": lambda size: full(size, b'{"api":{"endpoints":[{}', b',{"method":"GET","path":"/:a"}', b"]}}"),
    "signatures": lambda size: full(
        size, b'{"payloadType":"x","payload":"","signatures":[{}', b',{"keyid":"","sig":""}', b"]}"
    ),
    "base64": lambda size: full(size, b'{"payloadType":"x","payload":"', b"AAAA", b'","signatures":[]}'),
    "PEM attributes": lambda size: full(size, b"-----BEGIN PUBLIC KEY-----\n", b"Use: log\n"),
    "PEM bodies": lambda size: full(size, b"-----BEGIN PUBLIC KEY-----\n", b"AAAA\n"),
    "colons": lambda size: full(size, b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\nUse", b":"),
    "spaces": lambda size: b" " * size,
}


def refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(PlatformError):
        read(data)


@pytest.mark.parametrize("form", DOCUMENTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_document_at_the_limit_costs_bounded_memory_and_time(reader: str, form: str) -> None:
    limit, read = READERS[reader]
    data = DOCUMENTS[form](limit)

    assert peak_bytes_of(lambda: refused(read, data)) < PEAK_BYTES
    assert cpu_s_of(lambda: refused(read, data)) < CPU_S


@pytest.mark.parametrize("reader", ["manifest", "envelope", "trust bundle", "log proof"])
def test_a_document_beyond_the_limit_is_refused_unread(reader: str) -> None:
    _, read = READERS[reader]
    data = b"[" * (32 * MIB)

    allowed = 40 * MIB if reader == "trust bundle" else MIB  # which is text: these bytes are decoded first
    assert peak_bytes_of(lambda: refused(read, data)) < allowed


def test_an_honest_envelope_of_the_largest_size_is_read_in_bounded_memory() -> None:
    payload = base64.b64encode(b"x" * 45_000).decode()
    document = {
        "payloadType": STATEMENT_PAYLOAD_TYPE,
        "payload": payload,
        "signatures": [{"keyid": "k", "sig": "AAAA"}],
    }
    data = json.dumps(document, separators=(",", ":")).encode()

    assert peak_bytes_of(lambda: parse_envelope(data)) < MIB
